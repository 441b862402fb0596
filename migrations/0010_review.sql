-- What the mask tells about the cut-out (see src/image/review.ts), and whether a person should look at it.
alter table image_process_jobs
  add column review       jsonb,
  add column needs_review boolean;

-- The review queue, newest first: a small part of all jobs.
create index image_process_jobs_review_idx on image_process_jobs (created_at, job_id) where needs_review;

-- The masks of a content, newest first: new cut-outs are made from them without inference.
create index image_process_jobs_mask_idx on image_process_jobs (content_sha256, created_at) where status = 'completed';
