-- What resuming, verifying and answering for a job needs to know besides the design's columns.
alter table image_process_jobs
  add column source_path        text,         -- absolute path of the file that was read
  add column source_size        bigint,       -- bytes
  add column source_mtime_ns    bigint,       -- nanoseconds since 1970; a timestamptz would round them
  add column content_sha256     bytea,        -- of the original object
  add column fingerprint        bytea,        -- SHA-256 of model and parameters
  add column run_id             uuid,         -- the run that worked on it last
  add column attempt            integer not null default 1,
  add column started_at         timestamptz,
  add column error_code         varchar(32),
  add column execution_provider varchar(32),
  add column original_bytes     bigint,
  add column mask_bytes         bigint,
  add column processed_bytes    bigint,
  add column mask_sha256        bytea,
  add column processed_sha256   bytea;

-- An average cannot be merged with another one; sums and counts can.
alter table processing_stats
  add column failed_jobs            bigint not null default 0,
  add column sum_processing_time_ms bigint not null default 0,
  add column timed_jobs             bigint not null default 0;

-- created_at orders the log; a row without it would be on no page.
alter table image_process_jobs alter column created_at set not null;

alter table image_process_jobs
  add constraint completed_is_whole check (status <> 'completed' or
    (completed_at is not null and mask_path is not null and processed_path is not null)) not valid,
  add constraint failed_says_why check (status <> 'failed' or error_message is not null) not valid,
  add constraint completed_after_created check (completed_at >= created_at) not valid,
  add constraint sizes_not_negative check (
    processing_time_ms >= 0 and image_width >= 0 and image_height >= 0 and file_size_kb >= 0
    and source_size >= 0 and original_bytes >= 0 and mask_bytes >= 0 and processed_bytes >= 0) not valid,
  add constraint error_message_is_a_sentence check (length(error_message) <= 2000) not valid;
