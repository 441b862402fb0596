-- Between the deletion of a job and that of its objects: a row leaves and its tombstone comes in one statement, and the
-- tombstone goes after the objects are gone. So no object is ever without a row or a tombstone.
create table tombstones (
  job_id     uuid primary key,
  keys       jsonb,                          -- null: whatever lies in the store under this id
  bytes      bigint not null,
  kept       boolean not null default false, -- its objects stay, by somebody's wish
  created_at timestamptz not null default now()
);
create index tombstones_due_idx on tombstones (created_at, job_id) where not kept;

-- The backups taken of this database, so that prune can say which of them still refer to a job.
create table backups (
  backup_id    text primary key,
  location     text not null,
  created_at   timestamptz not null,
  bytes        bigint not null,
  with_objects boolean not null,
  drilled_at   timestamptz,
  removed_at   timestamptz
);
