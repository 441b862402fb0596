-- no-transaction
create index concurrently if not exists image_process_jobs_source_key_idx
  on image_process_jobs (source_key(source_path));
