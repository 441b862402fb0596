-- no-transaction
-- What is to be reviewed, the most doubtful first: a small part of all jobs.
create index concurrently if not exists image_process_jobs_doubt_idx
  on image_process_jobs (review_doubt(review), created_at, job_id) where needs_review and status = 'completed';
