-- no-transaction
-- The planner knows nothing yet of the expressions, so statistics follow. Here they block nobody.
create index concurrently if not exists image_process_jobs_content_month_idx
  on image_process_jobs (log_month(created_at), substr(content_sha256, 1, 7));
create index concurrently if not exists image_process_jobs_cutout_month_idx
  on image_process_jobs (log_month(created_at), substr(processed_sha256, 1, 7));
create index concurrently if not exists image_process_jobs_mask_month_idx
  on image_process_jobs (log_month(created_at), substr(mask_sha256, 1, 7));
analyze image_process_jobs;
