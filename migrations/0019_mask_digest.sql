-- A file is a mask of ours if its content is one: where masks are written it may be replaced, and as an input it is left
-- out, as cut-outs are (0017).
create index image_process_jobs_mask_sha256_idx on image_process_jobs (mask_sha256)
  where mask_sha256 is not null;
