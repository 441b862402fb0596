-- no-transaction
drop index concurrently if exists image_process_jobs_shared_original_idx;
