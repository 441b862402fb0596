-- The indexes of the design.
create index image_process_jobs_status_idx on image_process_jobs (status);
create index image_process_jobs_user_id_idx on image_process_jobs (user_id);
create index image_process_jobs_created_at_idx on image_process_jobs (created_at);
create index image_process_jobs_completed_at_idx on image_process_jobs (completed_at) where status = 'completed';
create index image_process_jobs_user_id_created_at_idx on image_process_jobs (user_id, created_at);
create index image_process_jobs_params_idx on image_process_jobs using gin (params);
create index image_process_jobs_large_idx on image_process_jobs ((file_size_kb > 4096));
create index tags_name_trgm_idx on tags using gin (name gin_trgm_ops);
