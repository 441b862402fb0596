-- As before, except that a job in which nothing that is counted has changed is not looked at: an update of a whole log
-- counted each of its jobs twice, to find that nothing had changed.
create or replace function note_changed_usage() returns trigger language plpgsql as $$
begin
  insert into usage_changes (dimension, stat_date, value, completed_jobs, failed_jobs, review_jobs, timed_jobs,
    sum_processing_time_ms, bucket, original_bytes, mask_bytes, processed_bytes)
  with changed as materialized (
    select b::image_process_jobs as was, a::image_process_jobs as is_now
    from before_it b join after_it a on a.job_id = b.job_id
    where (b.status, b.user_id, b.created_at, b.error_code, b.processing_time_ms, b.needs_review, b.kept, b.original_shared,
        b.original_bytes, b.mask_bytes, b.processed_bytes, b.params -> 'model')
      is distinct from (a.status, a.user_id, a.created_at, a.error_code, a.processing_time_ms, a.needs_review, a.kept,
        a.original_shared, a.original_bytes, a.mask_bytes, a.processed_bytes, a.params -> 'model')
  )
  select u.dimension, u.stat_date, u.value, sum(j.times * u.completed), sum(j.times * u.failed),
    sum(j.times * u.review), sum(j.times * u.timed), sum(j.times * u.ms), u.bucket, sum(j.times * u.original_bytes),
    sum(j.times * u.mask_bytes), sum(j.times * u.processed_bytes)
  from (select 1 as times, is_now as job from changed union all select -1, was from changed) j, usage_of(j.job) u
  group by u.dimension, u.stat_date, u.value, u.bucket
  having sum(j.times * u.completed) <> 0 or sum(j.times * u.failed) <> 0 or sum(j.times * u.review) <> 0
    or sum(j.times * u.timed) <> 0 or sum(j.times * u.ms) <> 0 or sum(j.times * u.original_bytes) <> 0
    or sum(j.times * u.mask_bytes) <> 0 or sum(j.times * u.processed_bytes) <> 0;
  return null;
end
$$;
