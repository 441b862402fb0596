-- no-transaction
create index concurrently if not exists image_process_jobs_contained_params_idx
  on image_process_jobs using gin (params jsonb_path_ops);
