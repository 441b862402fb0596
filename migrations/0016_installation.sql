-- Which installation this database is. Stores carry the id of the one that may write and delete there.

create table installation (
  -- One row.
  is_only     boolean primary key default true check (is_only),
  id          uuid not null,
  -- Where the row was written. A copy of the database has the row, but is somewhere else: it gets an id of its own.
  origin      text not null,
  copied_from uuid,
  created_at  timestamptz not null default now()
);
