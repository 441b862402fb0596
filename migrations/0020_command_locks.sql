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

-- As before, except that a change of columns that no statistic counts notes nothing: a later migration that fills one
-- for every job would else have taken back and added again each of them.
drop trigger note_usage_of_change on image_process_jobs;
create trigger note_usage_of_change after update on image_process_jobs for each row
  when ((old.status in ('completed', 'failed') or new.status in ('completed', 'failed'))
    and (old.status, old.created_at, old.user_id, old.params -> 'model', old.error_code, old.needs_review,
        old.processing_time_ms, old.kept, old.original_bytes, old.mask_bytes, old.processed_bytes)
      is distinct from (new.status, new.created_at, new.user_id, new.params -> 'model', new.error_code,
        new.needs_review, new.processing_time_ms, new.kept, new.original_bytes, new.mask_bytes, new.processed_bytes))
  execute function note_job_usage();
