-- Things that one process at a time may do with a database: prune, backup. A row with a lease, because behind a
-- transaction pooler a lock of the session is a lock of nobody.
create table command_locks (
  name        text primary key,
  -- Of this taking: statements that must not happen without the lock look for it, and lock the row.
  lock_id     uuid not null,
  owner       text not null, -- host, machine, boot, pid namespace; pid; start time
  command     text not null,
  taken_at    timestamptz not null,
  lease_until timestamptz not null
);
