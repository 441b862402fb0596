-- What others serve: see the table of indexes in docs/database.md. It takes no time once nobody reads the table.
drop index image_process_jobs_status_idx, image_process_jobs_user_id_idx, image_process_jobs_created_at_idx,
  image_process_jobs_user_id_created_at_idx, image_process_jobs_large_idx, image_process_jobs_content_idx,
  image_process_jobs_mask_idx, image_process_jobs_processed_sha256_idx, image_process_jobs_mask_sha256_idx,
  image_process_jobs_failed_source_idx, image_process_jobs_params_idx, image_process_jobs_source_name_idx;
