-- no-transaction
create index concurrently if not exists image_process_jobs_cutout_key_idx
  on image_process_jobs (substr(processed_sha256, 1, 7));
