-- Fuzzy search over tag names (trigram index) and cryptography inside the database (before PostgreSQL 13
-- also the only source of random UUIDs). Both come with PostgreSQL's contrib package.
create extension if not exists pg_trgm;
create extension if not exists pgcrypto;
