-- Which installation this database is. Stores carry the id of the one that may write and delete there.

create table installation (
  -- One row.
  is_only    boolean primary key default true check (is_only),
  id         uuid not null,
  -- Where the row was written. A copy of the database has the row, but is somewhere else.
  origin     text not null,
  created_at timestamptz not null default now()
);
