-- Statistics that answer at once and outlive the jobs. A job that ends (completed or failed) notes what it adds in
-- usage_changes, a log that writers only append to, so that they never wait for each other; fold_usage() adds the log
-- up in daily_usage and daily_latency. Sum and count are kept, never averages. Days are UTC, by created_at.
-- Deleting a job takes back its bytes and nothing else: what was done stays done.

create table daily_usage (
  dimension              varchar(8) not null check (dimension in ('all', 'user', 'model', 'tag', 'error')),
  stat_date              date not null,
  value                  text collate "C" not null, -- user id, model, tag or error code; '' for all
  completed_jobs         bigint not null,
  failed_jobs            bigint not null,
  review_jobs            bigint not null,
  timed_jobs             bigint not null,
  sum_processing_time_ms bigint not null,
  original_bytes         bigint not null,           -- what the store still holds; of tags and errors not kept
  mask_bytes             bigint not null,
  processed_bytes        bigint not null,
  primary key (dimension, stat_date, value)
);

-- A histogram for percentiles: eight buckets per doubling of the time, so a value is known to 9 %.
create table daily_latency (
  dimension varchar(8) not null check (dimension in ('all', 'model')),
  stat_date date not null,
  value     text collate "C" not null,
  bucket    smallint not null,
  jobs      bigint not null,
  primary key (dimension, stat_date, value, bucket)
);
create function latency_bucket(ms integer) returns smallint language sql immutable
  returns null on null input as $$ select floor(8 * ln(ms + 1.0) / ln(2.0))::smallint $$;

create table usage_changes (
  change_id bigint generated always as identity,
  like daily_usage,
  bucket    smallint
);
-- How often the log was folded: with the log's own content it tells whether anything changed since.
create table usage_state (folds bigint not null);
insert into usage_state values (0);

create function model_name(params jsonb) returns text language sql immutable as $$
  select coalesce((params -> 'model' ->> 'name') || coalesce(':' || (params -> 'model' ->> 'variant'), ''), 'unknown')
$$;

-- What a job counts for, one row per dimension; nothing before it ended.
create function usage_of(job image_process_jobs)
  returns table (dimension text, stat_date date, value text, completed integer, failed integer, review integer,
    timed integer, ms bigint, bucket smallint, original_bytes bigint, mask_bytes bigint, processed_bytes bigint)
  language sql stable as $$
  select d.dimension, (job.created_at at time zone 'UTC')::date, d.value,
    (job.status = 'completed')::integer, (job.status = 'failed')::integer,
    (job.status = 'completed' and coalesce(job.needs_review, false))::integer,
    (job.status = 'completed' and job.processing_time_ms is not null)::integer,
    case when job.status = 'completed' then coalesce(job.processing_time_ms, 0)::bigint else 0 end,
    case when job.status = 'completed' and d.dimension in ('all', 'model')
      then latency_bucket(job.processing_time_ms) end,
    case when d.keeps_bytes then coalesce(job.original_bytes, 0) else 0 end,
    case when d.keeps_bytes then coalesce(job.mask_bytes, 0) else 0 end,
    case when d.keeps_bytes then coalesce(job.processed_bytes, 0) else 0 end
  from (
    select 'all' as dimension, '' as value, true as keeps_bytes
    union all select 'user', job.user_id, true
    union all select 'model', model_name(job.params), true
    union all select 'error', coalesce(job.error_code, 'UNKNOWN'), false where job.status = 'failed'
    union all select 'tag', t.name, false
      from image_tags i join tags t on t.tag_id = i.tag_id where i.job_id = job.job_id
  ) d
  where job.status in ('completed', 'failed')
$$;

-- times: 1 adds, -1 takes back
create function note_usage(job image_process_jobs, times integer, only_tag text default null) returns void
  language sql as $$
  insert into usage_changes (dimension, stat_date, value, completed_jobs, failed_jobs, review_jobs, timed_jobs,
    sum_processing_time_ms, bucket, original_bytes, mask_bytes, processed_bytes)
  select u.dimension, u.stat_date, u.value, times * u.completed, times * u.failed, times * u.review, times * u.timed,
    times * u.ms, u.bucket, times * u.original_bytes, times * u.mask_bytes, times * u.processed_bytes
  from usage_of(job) u
  where only_tag is null or (u.dimension = 'tag' and u.value = only_tag)
$$;

create function note_job_usage() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' then
    perform note_usage(old, -1);
  end if;
  perform note_usage(new, 1);
  return new;
end
$$;
create trigger note_usage_of_new after insert on image_process_jobs for each row
  when (new.status in ('completed', 'failed')) execute function note_job_usage();
create trigger note_usage_of_change after update on image_process_jobs for each row
  when (old.status in ('completed', 'failed') or new.status in ('completed', 'failed'))
  execute function note_job_usage();
-- A prune deletes hundreds of jobs in one statement: their bytes are taken back in one, too.
create function note_deleted_usage() returns trigger language plpgsql as $$
begin
  insert into usage_changes (dimension, stat_date, value, completed_jobs, failed_jobs, review_jobs, timed_jobs,
    sum_processing_time_ms, original_bytes, mask_bytes, processed_bytes)
  select d.dimension, (j.created_at at time zone 'UTC')::date, d.value, 0, 0, 0, 0, 0, -sum(coalesce(j.original_bytes, 0)),
    -sum(coalesce(j.mask_bytes, 0)), -sum(coalesce(j.processed_bytes, 0))
  from gone j
  cross join lateral (values ('all', ''), ('user', j.user_id), ('model', model_name(j.params))) d (dimension, value)
  where j.status in ('completed', 'failed') and j.original_bytes is not null
  group by 1, 2, 3;
  return null;
end
$$;
create trigger note_usage_of_gone after delete on image_process_jobs referencing old table as gone
  for each statement execute function note_deleted_usage();

create function note_tag_usage() returns trigger language plpgsql as $$
declare
  job image_process_jobs;
  tag text;
begin
  -- Neither is found when the job, or the tag, is being deleted as a whole: then history stays.
  if tg_op = 'DELETE' then
    select * into job from image_process_jobs where job_id = old.job_id;
    select name into tag from tags where tag_id = old.tag_id;
    if job.job_id is not null and tag is not null then
      perform note_usage(job, -1, tag);
    end if;
    return old;
  end if;
  select * into job from image_process_jobs where job_id = new.job_id;
  select name into tag from tags where tag_id = new.tag_id;
  perform note_usage(job, 1, tag);
  return new;
end
$$;
create trigger note_usage_of_tag after insert on image_tags for each row execute function note_tag_usage();
create trigger note_usage_of_untag before delete on image_tags for each row execute function note_tag_usage();

-- Adds the log up, and brings processing_stats up to date with it.
create function fold_usage() returns void language plpgsql as $$
declare
  days date[];
begin
  perform pg_advisory_xact_lock(7262671402);
  with moved as (
    delete from usage_changes returning *
  ), usage as (
    insert into daily_usage as d (dimension, stat_date, value, completed_jobs, failed_jobs, review_jobs, timed_jobs,
      sum_processing_time_ms, original_bytes, mask_bytes, processed_bytes)
    select m.dimension, m.stat_date, m.value, sum(m.completed_jobs), sum(m.failed_jobs), sum(m.review_jobs),
      sum(m.timed_jobs), sum(m.sum_processing_time_ms), sum(m.original_bytes), sum(m.mask_bytes),
      sum(m.processed_bytes)
    from moved m group by m.dimension, m.stat_date, m.value
    on conflict (dimension, stat_date, value) do update
    set completed_jobs = d.completed_jobs + excluded.completed_jobs,
      failed_jobs = d.failed_jobs + excluded.failed_jobs,
      review_jobs = d.review_jobs + excluded.review_jobs,
      timed_jobs = d.timed_jobs + excluded.timed_jobs,
      sum_processing_time_ms = d.sum_processing_time_ms + excluded.sum_processing_time_ms,
      original_bytes = d.original_bytes + excluded.original_bytes,
      mask_bytes = d.mask_bytes + excluded.mask_bytes,
      processed_bytes = d.processed_bytes + excluded.processed_bytes
  ), latency as (
    insert into daily_latency as d (dimension, stat_date, value, bucket, jobs)
    select m.dimension, m.stat_date, m.value, m.bucket, sum(m.timed_jobs)
    from moved m where m.bucket is not null group by m.dimension, m.stat_date, m.value, m.bucket
    on conflict (dimension, stat_date, value, bucket) do update set jobs = d.jobs + excluded.jobs
  )
  select array_agg(distinct m.stat_date) into days from moved m;
  if days is null then
    return;
  end if;
  update usage_state set folds = folds + 1;
  insert into processing_stats (stat_date, total_jobs, completed_jobs, failed_jobs, timed_jobs,
    sum_processing_time_ms, avg_processing_time_ms, error_rate)
  select stat_date, completed_jobs + failed_jobs, completed_jobs, failed_jobs, timed_jobs, sum_processing_time_ms,
    sum_processing_time_ms / nullif(timed_jobs, 0)::numeric,
    100.0 * failed_jobs / nullif(completed_jobs + failed_jobs, 0)
  from daily_usage where dimension = 'all' and stat_date = any (days)
  on conflict (stat_date) do update
  set total_jobs = excluded.total_jobs, completed_jobs = excluded.completed_jobs, failed_jobs = excluded.failed_jobs,
    timed_jobs = excluded.timed_jobs, sum_processing_time_ms = excluded.sum_processing_time_ms,
    avg_processing_time_ms = excluded.avg_processing_time_ms, error_rate = excluded.error_rate;
end
$$;

-- What is there already.
insert into usage_changes (dimension, stat_date, value, completed_jobs, failed_jobs, review_jobs, timed_jobs,
  sum_processing_time_ms, bucket, original_bytes, mask_bytes, processed_bytes)
select u.dimension, u.stat_date, u.value, sum(u.completed), sum(u.failed), sum(u.review), sum(u.timed), sum(u.ms),
  u.bucket, sum(u.original_bytes), sum(u.mask_bytes), sum(u.processed_bytes)
from image_process_jobs j, usage_of(j) u
group by u.dimension, u.stat_date, u.value, u.bucket;
select fold_usage();
