-- no-transaction
-- A job is entered with its name once it has ended, and as one of no name before: an entry is a dozen trigrams, and a job
-- that has not ended is found by its status.
create index concurrently if not exists image_process_jobs_ended_name_idx on image_process_jobs
  using gin ((case when status in ('completed', 'failed') then source_name(source_path) end) gin_trgm_ops);
