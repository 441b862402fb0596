-- no-transaction
-- Originals that are referenced where they lie are nobody's objects: they are not shared, and are in no index of those.
create index concurrently if not exists image_process_jobs_shared_original_key_idx
  on image_process_jobs (original_path collate "C", job_id)
  where strpos(original_path, job_id::text) = 0 and strpos(original_path, 's3://') <> 1;
