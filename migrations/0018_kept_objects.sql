-- Which objects of a completed job are in the store: whoever runs it may keep fewer than all three (--keep). Sizes and
-- digests are of what was made, kept or not: by them a cut-out that is only in a local folder is still known as ours.
alter table image_process_jobs
  add column kept text[] not null default '{original,mask,processed}',
  add constraint kept_are_kinds check (kept <@ '{original,mask,processed}') not valid,
  drop constraint completed_is_whole,
  -- The rows that are there met the stricter rule. Reading them all again under this lock would stop every writer.
  -- original_path was given as not null: of an original that is not kept it is where that would be.
  add constraint completed_is_whole check (status <> 'completed' or (completed_at is not null
    and (mask_path is not null) = ('mask' = any (kept))
    and (processed_path is not null) = ('processed' = any (kept)))) not valid;

-- As before, except that a job is done only for those who want no more of it than was kept.
-- request: jobId (for a new row, and the name of this claim), userId, runId, owner, leaseMs, force, params, keep,
--   contentSha256 and fingerprint (hex), originalPath, imageWidth, imageHeight, fileSizeKb, sourcePath, sourceSize,
--   sourceMtimeNs
-- gone: the claim whose lease runs still, but whose process the caller knows to be dead
-- state: claimed; completed (job is that row); held (by owner, under claim_id)
create or replace function claim_job(request jsonb, gone uuid)
  returns table (state text, owner text, claim_id uuid, job image_process_jobs)
  language plpgsql
  set enable_seqscan = off -- plans are kept for a session, which may begin with empty tables and fill them
as $$
#variable_conflict use_column
declare
  this_claim constant uuid := request ->> 'jobId';
  content    constant bytea := decode(request ->> 'contentSha256', 'hex');
  parameters constant bytea := decode(request ->> 'fingerprint', 'hex');
  wanted     constant text[] := array(select jsonb_array_elements_text(request -> 'keep'));
  active     record;
  is_active  boolean;
  again      uuid; -- the job to take up again
begin
  -- Claims of the same work queue here; the statements below see what the one before did.
  perform pg_advisory_xact_lock(hashtextextended((request ->> 'contentSha256') || (request ->> 'fingerprint'), 0));
  loop
    -- Asked before what is completed: a job that turns completed in between is then seen by both, never by neither.
    select j.job_id, l.claim_id, l.owner, l.lease_until > clock_timestamp() as is_live into active
    from image_process_jobs j left join job_leases l on l.job_id = j.job_id
    where j.content_sha256 = content and j.fingerprint = parameters and j.status in ('pending', 'processing')
    order by j.status = 'processing' desc, j.created_at desc limit 1;
    is_active := found;

    if not (request ->> 'force')::boolean then
      select j.* into job from image_process_jobs j
      where j.content_sha256 = content and j.fingerprint = parameters and j.status = 'completed'
        and j.kept @> wanted
      order by j.created_at desc limit 1;
      if found then
        -- From now on this file is known to be done without being read.
        insert into known_sources (path_md5, fingerprint, source_size, source_mtime_ns, job_id)
        values (md5(request ->> 'sourcePath')::uuid, parameters, (request ->> 'sourceSize')::bigint,
          (request ->> 'sourceMtimeNs')::bigint, job.job_id)
        on conflict (path_md5, fingerprint) do update
        set source_size = excluded.source_size, source_mtime_ns = excluded.source_mtime_ns, job_id = excluded.job_id;
        state := 'completed';
        return next;
        return;
      end if;
    end if;

    if not is_active then
      -- The failed job of the same file, whose objects, if it has any, are of this content.
      select job_id into again from image_process_jobs
      where md5(source_path) = md5(request ->> 'sourcePath') and fingerprint = parameters and status = 'failed'
        and source_path = request ->> 'sourcePath' and (content_sha256 is null or content_sha256 = content)
      order by created_at desc limit 1
      for update;
      exit;
    end if;
    if active.claim_id = this_claim then
      -- It went through before, and only its acknowledgement was lost.
      select j.* into job from image_process_jobs j where j.job_id = active.job_id;
      state := 'claimed';
      return next;
      return;
    end if;
    if active.is_live and active.claim_id is distinct from gone then
      select j.* into job from image_process_jobs j where j.job_id = active.job_id;
      state := 'held';
      owner := active.owner;
      claim_id := active.claim_id;
      return next;
      return;
    end if;
    again := active.job_id;
    exit when active.claim_id is null;
    -- Whoever deletes the lease has the job: its holder may be alive after all and complete it at this moment.
    delete from job_leases where job_id = active.job_id and claim_id = active.claim_id;
    exit when found;
  end loop;

  insert into image_process_jobs as j (job_id, user_id, original_path, status, started_at, params, image_width,
    image_height, file_size_kb, source_path, source_size, source_mtime_ns, content_sha256, fingerprint, run_id)
  values (coalesce(again, this_claim), request ->> 'userId', request ->> 'originalPath', 'processing',
    clock_timestamp(), request -> 'params', (request ->> 'imageWidth')::integer,
    (request ->> 'imageHeight')::integer, (request ->> 'fileSizeKb')::integer, request ->> 'sourcePath',
    (request ->> 'sourceSize')::bigint, (request ->> 'sourceMtimeNs')::bigint, content, parameters,
    (request ->> 'runId')::uuid)
  on conflict (job_id) do update
  set status = 'processing', started_at = excluded.started_at, attempt = j.attempt + 1, run_id = excluded.run_id,
    user_id = excluded.user_id, params = excluded.params, image_width = excluded.image_width,
    image_height = excluded.image_height, file_size_kb = excluded.file_size_kb, source_path = excluded.source_path,
    source_size = excluded.source_size, source_mtime_ns = excluded.source_mtime_ns,
    content_sha256 = excluded.content_sha256, error_code = null, error_message = null
  returning j.* into job;
  insert into job_leases (job_id, run_id, claim_id, owner, lease_until)
  values (job.job_id, job.run_id, this_claim, request ->> 'owner',
    clock_timestamp() + (request ->> 'leaseMs')::double precision * interval '1 millisecond');
  state := 'claimed';
  return next;
end
$$;

-- As before, except that only what is kept counts as stored.
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
    case when d.keeps_bytes and 'original' = any (job.kept) then coalesce(job.original_bytes, 0) else 0 end,
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
    -sum(case when 'original' = any (j.kept) then coalesce(j.original_bytes, 0) else 0 end),
    -sum(case when 'mask' = any (j.kept) then coalesce(j.mask_bytes, 0) else 0 end),
    -sum(case when 'processed' = any (j.kept) then coalesce(j.processed_bytes, 0) else 0 end)
  from gone j
  cross join lateral (values ('all', ''), ('user', j.user_id), ('model', model_name(j.params))) d (dimension, value)
  where j.status in ('completed', 'failed') and j.original_bytes is not null
  group by 1, 2, 3;
  return null;
end
$$;
