-- A file's name without its folders, as `rmbg query --name` looks for it.
create function source_name(path text) returns text language sql immutable parallel safe
  returns null on null input as $$ select regexp_replace(path, '^.*[/\\]', '') $$;
create index image_process_jobs_source_name_idx on image_process_jobs using gin (source_name(source_path) gin_trgm_ops);

-- Failures by their code, newest first, and by what their sentence says.
create index image_process_jobs_error_code_idx on image_process_jobs (error_code, created_at, job_id)
  where status = 'failed';
create index image_process_jobs_error_message_idx on image_process_jobs using gin (error_message gin_trgm_ops)
  where status = 'failed';

-- Of a tag to its jobs without looking into the table.
create index image_tags_tag_id_job_id_idx on image_tags (tag_id, job_id);
drop index image_tags_tag_id_idx;
