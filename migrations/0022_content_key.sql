-- no-transaction
-- Not partial, nor are the next ones: the planner reads no statistics of an expression from a partial index.
create index concurrently if not exists image_process_jobs_content_key_idx
  on image_process_jobs (substr(content_sha256, 1, 7));
