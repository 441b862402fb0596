-- All that a run writes about jobs, as functions: each is one statement, one round trip and one transaction, takes up to
-- ten jobs at a time where a run has so many, and may be called again with the same request.

-- As before, except that it looks contents and paths up by their short keys, and that the file a job was made of is known
-- by the job itself: known_sources has the other files of the same content.
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
  path       constant text := request ->> 'sourcePath';
  size       constant bigint := request ->> 'sourceSize';
  mtime_ns   constant bigint := request ->> 'sourceMtimeNs';
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
    from (
      select job_id, status, created_at from image_process_jobs
      where content_sha256 = content and fingerprint = parameters and status = 'processing'
      union all
      select job_id, status, created_at from image_process_jobs
      where substr(content_sha256, 1, 7) = substr(content, 1, 7) and content_sha256 = content
        and fingerprint = parameters and status = 'pending'
    ) j left join job_leases l on l.job_id = j.job_id
    order by j.status = 'processing' desc, j.created_at desc limit 1;
    is_active := found;

    if not (request ->> 'force')::boolean then
      -- Found first and ordered then: else a plan may walk the whole log from its newest end.
      with done as materialized (
        select job_id, created_at from image_process_jobs
        where substr(content_sha256, 1, 7) = substr(content, 1, 7) and content_sha256 = content
          and fingerprint = parameters and status = 'completed' and kept @> wanted
      )
      select j.* into job from image_process_jobs j
      where j.job_id = (select d.job_id from done d order by d.created_at desc limit 1);
      if found then
        if (job.source_path, job.source_size, job.source_mtime_ns) is distinct from (path, size, mtime_ns) then
          -- From now on this file is known to be done without being read.
          insert into known_sources (path_md5, fingerprint, source_size, source_mtime_ns, job_id)
          values (md5(path)::uuid, parameters, size, mtime_ns, job.job_id)
          on conflict (path_md5, fingerprint) do update
          set source_size = excluded.source_size, source_mtime_ns = excluded.source_mtime_ns, job_id = excluded.job_id;
        end if;
        state := 'completed';
        return next;
        return;
      end if;
    end if;

    if not is_active then
      -- The failed job of the same file, whose objects, if it has any, are of this content.
      with failed as materialized (
        select job_id, created_at from image_process_jobs
        where source_key(source_path) = source_key(path) and source_path = path and fingerprint = parameters
          and status = 'failed' and (content_sha256 is null or content_sha256 = content)
      )
      select j.job_id into again from image_process_jobs j
      where j.job_id = (select f.job_id from failed f order by f.created_at desc limit 1) and j.status = 'failed'
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

  if again is not null then
    update image_process_jobs j
    set status = 'processing', started_at = clock_timestamp(), attempt = j.attempt + 1,
      run_id = (request ->> 'runId')::uuid, user_id = request ->> 'userId', params = request -> 'params',
      image_width = (request ->> 'imageWidth')::integer, image_height = (request ->> 'imageHeight')::integer,
      file_size_kb = (request ->> 'fileSizeKb')::integer, source_path = path, source_size = size,
      source_mtime_ns = mtime_ns, content_sha256 = content, error_code = null, error_message = null
    where j.job_id = again
    returning j.* into job;
  end if;
  if job.job_id is null then
    insert into image_process_jobs as j (job_id, user_id, original_path, status, started_at, params, image_width,
      image_height, file_size_kb, source_path, source_size, source_mtime_ns, content_sha256, fingerprint, run_id)
    values (this_claim, request ->> 'userId', request ->> 'originalPath', 'processing', clock_timestamp(),
      request -> 'params', (request ->> 'imageWidth')::integer, (request ->> 'imageHeight')::integer,
      (request ->> 'fileSizeKb')::integer, path, size, mtime_ns, content, parameters, (request ->> 'runId')::uuid)
    returning j.* into job;
  end if;
  insert into job_leases (job_id, run_id, claim_id, owner, lease_until)
  values (job.job_id, job.run_id, this_claim, request ->> 'owner',
    clock_timestamp() + (request ->> 'leaseMs')::double precision * interval '1 millisecond');
  state := 'claimed';
  return next;
end
$$;

-- Several claims, each as if it came alone.
-- requests: an array of those of claim_job(), each perhaps with `gone`
-- request: its place in the array, from 1
create function claim_jobs(requests jsonb)
  returns table (request integer, state text, owner text, claim_id uuid, job image_process_jobs)
  language plpgsql as $$
#variable_conflict use_column
declare
  one record;
begin
  -- In one order everywhere, so that two runs with the same contents cannot wait for each other in a circle.
  perform pg_advisory_xact_lock(l.key) from (
    select distinct hashtextextended((r ->> 'contentSha256') || (r ->> 'fingerprint'), 0) as key
    from jsonb_array_elements(requests) r order by 1
  ) l;
  for one in select r.value, r.ordinality::integer as place from jsonb_array_elements(requests) with ordinality r loop
    return query
    select one.place, c.state, c.owner, c.claim_id, c.job from claim_job(one.value, (one.value ->> 'gone')::uuid) c;
  end loop;
end
$$;

-- The row of a job that is taken up again names the original of the attempt before.
create function name_original(job uuid, of_attempt integer, run uuid, path text) returns void
  language sql as $$
  update image_process_jobs set original_path = path
  where job_id = job and attempt = of_attempt and run_id = run and status = 'processing'
$$;

-- Sets status, keys and checksums, and ends the lease.
-- completions: an array of jobId, attempt, runId, kept (kinds), originalPath, sharesOriginal (another job has stored it),
--   maskPath, processedPath, originalBytes, maskBytes, processedBytes, maskSha256 and processedSha256 (hex),
--   processingTimeMs, executionProvider, review
-- completion: its place in the array, from 1
-- is_done: false when the attempt no longer holds the job, or no completed job names the shared original any more
create function complete_jobs(completions jsonb) returns table (completion bigint, is_done boolean)
  language plpgsql
  set enable_seqscan = off -- as claim_job()
  set enable_hashjoin = off
  set enable_mergejoin = off
as $$
#variable_conflict use_column
declare
  lost bigint[] := '{}'; -- places of those whose shared original is gone
begin
  if completions @> '[{"sharesOriginal": true}]' then
    -- Before anything is written: see hold_original().
    select coalesce(array_agg(c.ordinality), '{}') into lost
    from jsonb_array_elements(completions) with ordinality c
    join image_process_jobs j on j.job_id = (c.value ->> 'jobId')::uuid
    where (c.value ->> 'sharesOriginal')::boolean
      and not hold_original(c.value ->> 'originalPath', j.content_sha256);
  end if;
  return query
  with asked as materialized (
    select * from rows from (jsonb_to_recordset(completions) as ("jobId" uuid, attempt integer, "runId" uuid,
      kept jsonb, "originalPath" text, "sharesOriginal" boolean, "maskPath" text, "processedPath" text, "originalBytes" bigint,
      "maskBytes" bigint, "processedBytes" bigint, "maskSha256" text, "processedSha256" text,
      "processingTimeMs" integer, "executionProvider" text, review jsonb)) with ordinality as a
  ), lease as (
    -- Whoever deletes the lease has the job.
    delete from job_leases l using asked a, image_process_jobs held
    where l.job_id = a."jobId" and l.run_id = a."runId" and held.job_id = a."jobId" and held.attempt = a.attempt
      and a.ordinality <> all (lost)
    returning a.ordinality
  ), job as (
    update image_process_jobs j
    set status = 'completed', completed_at = greatest(clock_timestamp(), j.created_at),
      kept = array(select jsonb_array_elements_text(a.kept)),
      original_path = coalesce(a."originalPath", j.original_path), original_shared = a."sharesOriginal",
      mask_path = a."maskPath", processed_path = a."processedPath", original_bytes = a."originalBytes", mask_bytes = a."maskBytes",
      processed_bytes = a."processedBytes", mask_sha256 = decode(a."maskSha256", 'hex'),
      processed_sha256 = decode(a."processedSha256", 'hex'), processing_time_ms = a."processingTimeMs",
      execution_provider = a."executionProvider", review = a.review,
      needs_review = jsonb_array_length(a.review -> 'reasons') > 0,
      params = j.params || jsonb_build_object('provider', a."executionProvider")
    from asked a, lease l
    where l.ordinality = a.ordinality and j.job_id = a."jobId"
    returning a.ordinality
  )
  select a.ordinality, exists (select from job where job.ordinality = a.ordinality)
    -- The acknowledgement of an earlier try may have been lost on the way.
    or exists (select from image_process_jobs j where j.job_id = a."jobId" and j.attempt = a.attempt
      and j.run_id = a."runId" and j.status = 'completed')
  from asked a;
end
$$;

-- failure: jobId, attempt, runId, errorCode, errorMessage
-- Returns false when the attempt no longer holds the job.
create function fail_job(failure jsonb) returns boolean
  language plpgsql
  set enable_seqscan = off -- as claim_job()
as $$
declare
  job     constant uuid := failure ->> 'jobId';
  this    constant integer := failure ->> 'attempt';
  run     constant uuid := failure ->> 'runId';
begin
  delete from job_leases l using image_process_jobs j
  where l.job_id = job and l.run_id = run and j.job_id = job and j.attempt = this;
  if found then
    update image_process_jobs
    set status = 'failed', error_code = failure ->> 'errorCode', error_message = failure ->> 'errorMessage'
    where job_id = job;
    return found;
  end if;
  -- It has ended before: the acknowledgement may have been lost on the way.
  return exists (select from image_process_jobs
    where job_id = job and attempt = this and run_id = run and status in ('completed', 'failed'));
end
$$;

-- A file that failed before its content was known. Its failed row of an earlier run is used again.
-- failure: jobId (for a new row), userId, runId, originalPath, params, fingerprint (hex), sourcePath, sourceSize and
--   sourceMtimeNs (null where unknown), errorCode, errorMessage
-- Returns the id of the row.
create function record_failure(failure jsonb) returns uuid
  language plpgsql
  set enable_seqscan = off -- as claim_job()
as $$
declare
  path       constant text := failure ->> 'sourcePath';
  size       constant bigint := failure ->> 'sourceSize';
  parameters constant bytea := decode(failure ->> 'fingerprint', 'hex');
  recorded   uuid;
begin
  with failed as materialized (
    select job_id, created_at from image_process_jobs
    where source_key(source_path) = source_key(path) and source_path = path and fingerprint = parameters
      and status = 'failed'
  )
  update image_process_jobs
  set attempt = attempt + 1, run_id = (failure ->> 'runId')::uuid, user_id = failure ->> 'userId', source_size = size,
    source_mtime_ns = (failure ->> 'sourceMtimeNs')::bigint, error_code = failure ->> 'errorCode',
    error_message = failure ->> 'errorMessage'
  where job_id = (select f.job_id from failed f order by f.created_at desc limit 1) and status = 'failed'
  returning job_id into recorded;
  if recorded is not null then
    return recorded;
  end if;
  insert into image_process_jobs as j (job_id, user_id, original_path, status, params, source_path, source_size,
    source_mtime_ns, fingerprint, run_id, file_size_kb, error_code, error_message)
  values ((failure ->> 'jobId')::uuid, failure ->> 'userId', failure ->> 'originalPath', 'failed', failure -> 'params',
    path, size, (failure ->> 'sourceMtimeNs')::bigint, parameters, (failure ->> 'runId')::uuid, ceil(size / 1024.0),
    failure ->> 'errorCode', failure ->> 'errorMessage')
  on conflict (md5(source_path), fingerprint) where status = 'failed' and content_sha256 is null do update
  set attempt = j.attempt + 1, run_id = excluded.run_id, user_id = excluded.user_id,
    source_size = excluded.source_size, source_mtime_ns = excluded.source_mtime_ns,
    error_code = excluded.error_code, error_message = excluded.error_message
  returning job_id into recorded;
  return recorded;
end
$$;

-- The heartbeat of a run. A lease that somebody has locked is being ended or taken over: waiting for it could be waiting
-- in a circle.
create function renew_leases(run uuid, lease_ms double precision) returns void
  language sql as $$
  update job_leases set lease_until = clock_timestamp() + lease_ms * interval '1 millisecond'
  where job_id in (select job_id from job_leases where run_id = run for update skip locked)
$$;

-- What a run did not finish is pending again, and any run may claim it.
create function release_jobs(run uuid) returns void
  language sql as $$
  with lease as (delete from job_leases where run_id = run returning job_id)
  update image_process_jobs j set status = 'pending' from lease
  where j.job_id = lease.job_id and j.status = 'processing'
$$;

-- The same for the runs of owners that are certainly gone, and for leases that a wrong clock has given for longer.
-- owners: an array
create function release_jobs_of(owners jsonb, longest interval) returns void
  language sql as $$
  with lease as (
    delete from job_leases
    where owner in (select jsonb_array_elements_text(owners)) or lease_until > clock_timestamp() + longest
    returning job_id
  )
  update image_process_jobs j set status = 'pending' from lease
  where j.job_id = lease.job_id and j.status = 'processing'
$$;

-- Renewals find room on the page of the lease, and change no index.
alter table job_leases set (fillfactor = 70);

-- A statement that ends several jobs notes what they add together: it was three rows a job.
create function note_changed_usage() returns trigger language plpgsql as $$
begin
  if not exists (select from after_it where status in ('completed', 'failed'))
    and not exists (select from before_it where status in ('completed', 'failed')) then
    return null;
  end if;
  insert into usage_changes (dimension, stat_date, value, completed_jobs, failed_jobs, review_jobs, timed_jobs,
    sum_processing_time_ms, bucket, original_bytes, mask_bytes, processed_bytes)
  select u.dimension, u.stat_date, u.value, sum(j.times * u.completed), sum(j.times * u.failed),
    sum(j.times * u.review), sum(j.times * u.timed), sum(j.times * u.ms), u.bucket, sum(j.times * u.original_bytes),
    sum(j.times * u.mask_bytes), sum(j.times * u.processed_bytes)
  from (
    select 1 as times, a::image_process_jobs as job from after_it a where a.status in ('completed', 'failed')
    union all
    select -1, b::image_process_jobs from before_it b where b.status in ('completed', 'failed')
  ) j, usage_of(j.job) u
  group by u.dimension, u.stat_date, u.value, u.bucket
  having sum(j.times * u.completed) <> 0 or sum(j.times * u.failed) <> 0 or sum(j.times * u.review) <> 0
    or sum(j.times * u.timed) <> 0 or sum(j.times * u.ms) <> 0 or sum(j.times * u.original_bytes) <> 0
    or sum(j.times * u.mask_bytes) <> 0 or sum(j.times * u.processed_bytes) <> 0;
  return null;
end
$$;
drop trigger note_usage_of_change on image_process_jobs;
create trigger note_usage_of_change after update on image_process_jobs
  referencing old table as before_it new table as after_it
  for each statement execute function note_changed_usage();
create function note_new_usage() returns trigger language plpgsql as $$
begin
  if not exists (select from after_it where status in ('completed', 'failed')) then
    return null;
  end if;
  insert into usage_changes (dimension, stat_date, value, completed_jobs, failed_jobs, review_jobs, timed_jobs,
    sum_processing_time_ms, bucket, original_bytes, mask_bytes, processed_bytes)
  select u.dimension, u.stat_date, u.value, sum(u.completed), sum(u.failed), sum(u.review), sum(u.timed), sum(u.ms),
    u.bucket, sum(u.original_bytes), sum(u.mask_bytes), sum(u.processed_bytes)
  from (
    select a::image_process_jobs as job from after_it a where a.status in ('completed', 'failed')
  ) j, usage_of(j.job) u
  group by u.dimension, u.stat_date, u.value, u.bucket;
  return null;
end
$$;
drop trigger note_usage_of_new on image_process_jobs;
create trigger note_usage_of_new after insert on image_process_jobs referencing new table as after_it
  for each statement execute function note_new_usage();
drop function note_job_usage();

-- As before, over the short key of a content.
create or replace function stored_original(content bytea, owner text)
  returns table (original_path varchar, original_bytes bigint)
  language plpgsql stable
  set enable_seqscan = off -- as claim_job()
as $$
#variable_conflict use_column
begin
  return query
  with stored as materialized (
    select * from image_process_jobs
    where substr(content_sha256, 1, 7) = substr(content, 1, 7) and content_sha256 = content and status = 'completed'
      and user_id = owner and 'original' = any (kept) and original_bytes is not null
  )
  select s.original_path, s.original_bytes from stored s order by s.created_at desc limit 1;
end
$$;

-- The completed jobs that name this original.
create function jobs_naming(key text, content bytea) returns uuid[]
  language plpgsql stable
  set enable_seqscan = off -- as claim_job()
as $$
begin
  return array(select job_id from image_process_jobs
    where substr(content_sha256, 1, 7) = substr(content, 1, 7) and content_sha256 = content and status = 'completed'
      and original_path = key and 'original' = any (kept));
end
$$;

create or replace function hold_original(key text, content bytea) returns boolean
  language plpgsql
  set enable_seqscan = off -- as claim_job()
as $$
begin
  perform from image_process_jobs j
  where j.job_id = any (jobs_naming(key, content)) and j.status = 'completed' and j.original_path = key
    and 'original' = any (j.kept)
  order by j.created_at desc limit 1
  for share;
  return found;
end
$$;

create or replace function pass_original_on(key text, content bytea) returns boolean
  language plpgsql
  set enable_seqscan = off -- as claim_job()
as $$
declare
  heir uuid;
begin
  select j.job_id into heir from image_process_jobs j
  where j.job_id = any (jobs_naming(key, content)) and j.status = 'completed' and j.original_path = key
    and 'original' = any (j.kept) and j.original_shared
  order by j.created_at limit 1
  for no key update;
  if found then
    update image_process_jobs set original_shared = false where job_id = heir;
  end if;
  return heir is not null;
end
$$;

create or replace function pass_on_deleted_originals() returns trigger
  language plpgsql
  set enable_seqscan = off -- as claim_job()
as $$
begin
  perform pass_original_on(g.original_path, g.content_sha256) from gone g
  where g.status = 'completed' and not g.original_shared and 'original' = any (g.kept)
    and exists (select from image_process_jobs j
      where substr(j.content_sha256, 1, 7) = substr(g.content_sha256, 1, 7) and j.content_sha256 = g.content_sha256
        and j.status = 'completed' and j.original_path = g.original_path and j.original_shared);
  return null;
end
$$;
