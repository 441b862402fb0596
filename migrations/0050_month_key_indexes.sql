-- no-transaction
-- The planner knows nothing yet of the expressions, so statistics follow. Here they block nobody.
create index concurrently if not exists image_process_jobs_content_key_idx
  on image_process_jobs (month_key(created_at, content_sha256));
create index concurrently if not exists image_process_jobs_cutout_key_idx
  on image_process_jobs (month_key(created_at, processed_sha256));
create index concurrently if not exists image_process_jobs_mask_key_idx
  on image_process_jobs (month_key(created_at, mask_sha256));
analyze image_process_jobs;
