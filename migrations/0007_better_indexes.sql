-- Keyset pagination, newest first: created_at alone is not unique, so the id breaks ties.
create index image_process_jobs_keyset_idx on image_process_jobs (created_at, job_id);
create index image_process_jobs_user_keyset_idx on image_process_jobs (user_id, created_at, job_id);

-- With nearly all rows completed an index over status serves only the few others: those get their own.
create index image_process_jobs_pending_idx on image_process_jobs (created_at, job_id) where status = 'pending';
create index image_process_jobs_processing_idx on image_process_jobs (created_at, job_id) where status = 'processing';
create index image_process_jobs_failed_idx on image_process_jobs (created_at, job_id) where status = 'failed';

-- The design's boolean index answers one threshold only; this one answers any.
create index image_process_jobs_file_size_kb_idx on image_process_jobs (file_size_kb);

-- Resume: is this content done with these parameters? Did this file fail with them?
create index image_process_jobs_content_idx on image_process_jobs (content_sha256, fingerprint);
create index image_process_jobs_failed_source_idx on image_process_jobs (md5(source_path), fingerprint)
  where status = 'failed';
-- However many runs race, one job at a time works on a content with these parameters.
create unique index image_process_jobs_active_idx on image_process_jobs (content_sha256, fingerprint)
  where status = 'processing';

-- Deleting a job takes its tags along, and deleting a tag finds its images.
alter table image_tags drop constraint image_tags_job_id_fkey;
alter table image_tags drop constraint image_tags_tag_id_fkey;
alter table image_tags
  add constraint image_tags_job_id_fkey foreign key (job_id) references image_process_jobs (job_id) on delete cascade,
  add constraint image_tags_tag_id_fkey foreign key (tag_id) references tags (tag_id) on delete cascade;
create index image_tags_tag_id_idx on image_tags (tag_id);
