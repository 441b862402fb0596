-- no-transaction
drop index concurrently if exists image_process_jobs_content_month_idx;
drop index concurrently if exists image_process_jobs_cutout_month_idx;
drop index concurrently if exists image_process_jobs_mask_month_idx;
