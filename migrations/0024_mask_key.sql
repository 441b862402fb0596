-- no-transaction
create index concurrently if not exists image_process_jobs_mask_key_idx
  on image_process_jobs (substr(mask_sha256, 1, 7));
