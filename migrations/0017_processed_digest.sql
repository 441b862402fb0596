-- A file is a cut-out of ours if its content is one: in the output folder it may be replaced, and as an input it is left
-- out. Nothing else in a file tells, so every file that is met there is looked up by its digest.
create index image_process_jobs_processed_sha256_idx on image_process_jobs (processed_sha256)
  where processed_sha256 is not null;
