-- Originals of one content are stored once for each user: a job may name the original that an earlier one has stored.

alter table image_process_jobs
  -- Another completed job counts the bytes of the original. Of the completed jobs that name one original, exactly one
  -- has false here.
  add column original_shared boolean not null default false;

-- Who names an original under the id of another job. The key of an own one says whose it is, so it needs no entry here.
create index image_process_jobs_shared_original_idx on image_process_jobs (original_path collate "C", job_id)
  where strpos(original_path, job_id::text) = 0;

alter table tombstones
  -- An original under the id of another job; in `keys` as well, where those are known.
  add column shared_key varchar(512);
create index tombstones_kept_shared_idx on tombstones (shared_key) where kept and shared_key is not null;

-- An original of this content that the user has in the store, as far as the log knows: that of the newest job.
create function stored_original(content bytea, owner text) returns table (original_path varchar, original_bytes bigint)
  language sql stable
  set enable_seqscan = off -- as claim_job()
as $$
  select j.original_path, j.original_bytes from image_process_jobs j
  where j.content_sha256 = content and j.status = 'completed' and j.user_id = owner and 'original' = any (j.kept)
    and j.original_bytes is not null
  order by j.created_at desc limit 1
$$;

-- Whether a completed job names this original. If so, one does until this transaction ends: its row is locked against
-- prune and whatever else would end that. Who names the original in this transaction, and only they, may rely on it.
-- Ask before anything else is written, so that whoever waits here holds nothing that others wait for.
create function hold_original(key text, content bytea) returns boolean
  language plpgsql
  set enable_seqscan = off -- as claim_job()
as $$
begin
  perform from image_process_jobs j
  where j.content_sha256 = content and j.status = 'completed' and j.original_path = key and 'original' = any (j.kept)
  order by j.created_at desc limit 1
  for share;
  return found;
end
$$;

-- A job that counted the bytes of an original does not name it any more: another one that does counts them from now on.
-- Returns whether there is another one.
create function pass_original_on(key text, content bytea) returns boolean
  language plpgsql
  set enable_seqscan = off -- as claim_job()
as $$
declare
  heir uuid;
begin
  select j.job_id into heir from image_process_jobs j
  where j.content_sha256 = content and j.status = 'completed' and j.original_path = key and 'original' = any (j.kept)
    and j.original_shared
  order by j.created_at limit 1
  for no key update;
  if found then
    update image_process_jobs set original_shared = false where job_id = heir;
  end if;
  return heir is not null;
end
$$;

create function pass_on_deleted_originals() returns trigger
  language plpgsql
  set enable_seqscan = off -- as claim_job()
as $$
begin
  perform pass_original_on(g.original_path, g.content_sha256) from gone g
  where g.status = 'completed' and not g.original_shared and 'original' = any (g.kept)
    and exists (select from image_process_jobs j where j.content_sha256 = g.content_sha256
      and j.status = 'completed' and j.original_path = g.original_path and j.original_shared);
  return null;
end
$$;
create trigger pass_originals_of_gone after delete on image_process_jobs referencing old table as gone
  for each statement execute function pass_on_deleted_originals();

create function pass_on_failed_original() returns trigger language plpgsql as $$
begin
  new.original_shared := pass_original_on(old.original_path, old.content_sha256);
  return new;
end
$$;
create trigger pass_original_of_failed before update on image_process_jobs for each row
  when (old.status = 'completed' and new.status <> 'completed' and not old.original_shared)
  execute function pass_on_failed_original();

-- As before, except that an original counts once, for the job that has original_shared = false.
-- What a job counts for, one row per dimension; nothing before it ended.
create or replace function usage_of(job image_process_jobs)
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
    case when d.keeps_bytes and 'original' = any (job.kept) and not job.original_shared
      then coalesce(job.original_bytes, 0) else 0 end,
    case when d.keeps_bytes and 'mask' = any (job.kept) then coalesce(job.mask_bytes, 0) else 0 end,
    case when d.keeps_bytes and 'processed' = any (job.kept) then coalesce(job.processed_bytes, 0) else 0 end
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

-- A prune deletes hundreds of jobs in one statement: their bytes are taken back in one, too.
create or replace function note_deleted_usage() returns trigger language plpgsql as $$
begin
  insert into usage_changes (dimension, stat_date, value, completed_jobs, failed_jobs, review_jobs, timed_jobs,
    sum_processing_time_ms, original_bytes, mask_bytes, processed_bytes)
  select d.dimension, (j.created_at at time zone 'UTC')::date, d.value, 0, 0, 0, 0, 0,
    -sum(case when 'original' = any (j.kept) and not j.original_shared then coalesce(j.original_bytes, 0) else 0 end),
    -sum(case when 'mask' = any (j.kept) then coalesce(j.mask_bytes, 0) else 0 end),
    -sum(case when 'processed' = any (j.kept) then coalesce(j.processed_bytes, 0) else 0 end)
  from gone j
  cross join lateral (values ('all', ''), ('user', j.user_id), ('model', model_name(j.params))) d (dimension, value)
  where j.status in ('completed', 'failed') and j.original_bytes is not null
  group by 1, 2, 3;
  return null;
end
$$;
