-- A job is written into the log, image_process_jobs, once: when it ends. Until then it is a row here, of few columns and
-- few indexes, that the next one takes the room of. A row that was written as it was claimed and again as it ended cost
-- each index twice, and left a dead version in the log, whose room was then filled at random.

do $$
begin
  -- A prune of the release before does not know where open jobs are. It is waited for, as for a table in use.
  if exists (select from command_locks where name = 'prune' and lease_until > clock_timestamp()) then
    raise exception 'a prune is at work on this database' using errcode = 'lock_not_available';
  end if;
end
$$;
lock table image_process_jobs in access exclusive mode;

-- A job that fell open again after it had ended is in the log as well, as `failed`, until this attempt ends.
create table open_jobs (
  job_id          uuid primary key,
  run_id          uuid,
  claim_id        uuid,        -- null, as owner and lease_until, while nobody has it: it is pending
  -- The first half of a digest of content and parameters. Null: nobody can claim it, because its content is unknown.
  work            uuid unique,
  lease_until     timestamptz,
  created_at      timestamptz not null default now(),
  started_at      timestamptz,
  source_size     bigint,
  source_mtime_ns bigint,
  attempt         integer not null default 1,
  image_width     integer,
  image_height    integer,
  file_size_kb    integer,
  content_sha256  bytea,
  fingerprint     bytea,
  user_id         varchar(64) collate "C" not null,
  owner           text,
  original_path   varchar(512) not null, -- where this attempt would put it
  source_path     text,
  params          jsonb,                -- the model's name; whoever ends the job brings all of them
  tags            text[] not null default '{}', -- all that it has; image_tags gets them as it ends
  constraint claimed_or_not check (num_nulls(claim_id, owner, lease_until) in (0, 3)),
  constraint sizes_not_negative check (image_width >= 0 and image_height >= 0 and file_size_kb >= 0 and source_size >= 0)
) with (
  -- Renewals find room on their page and change no index. Every row is dead soon, and few are there at any moment.
  fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
  autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 20000
);
create index open_jobs_run_id_idx on open_jobs (run_id); -- the heartbeat of a run

create function work_key(content bytea, fingerprint bytea) returns uuid language sql immutable parallel safe
  returns null on null input as $$ select encode(substr(sha256(content || fingerprint), 1, 16), 'hex')::uuid $$;

-- What is open now. Where two are of the same work, the next claim takes up the newer one.
insert into open_jobs (job_id, run_id, claim_id, work, lease_until, created_at, started_at, source_size, source_mtime_ns,
  attempt, image_width, image_height, file_size_kb, content_sha256, fingerprint, user_id, owner, original_path, source_path,
  params, tags)
select j.job_id, j.run_id, l.claim_id,
  case when row_number() over (partition by j.content_sha256, j.fingerprint
    order by l.claim_id is not null desc, j.created_at desc, j.job_id desc) = 1
    then work_key(j.content_sha256, j.fingerprint) end,
  l.lease_until, j.created_at, j.started_at, j.source_size, j.source_mtime_ns, j.attempt, j.image_width, j.image_height,
  j.file_size_kb, j.content_sha256, j.fingerprint, j.user_id, l.owner, j.original_path, j.source_path, j.params,
  array(select t.name from image_tags i join tags t on t.tag_id = i.tag_id where i.job_id = j.job_id)
from image_process_jobs j left join job_leases l on l.job_id = j.job_id
where j.status in ('pending', 'processing');

do $$
begin
  -- What was completed once lost an object since; it stays known by its digests.
  update image_process_jobs set status = 'failed', error_code = 'STORE_OBJECT_MISSING',
    error_message = 'An object is no longer in the store. Process the image again.'
  where status in ('pending', 'processing') and completed_at is not null;
  -- A few rows, which an index knows.
  delete from image_process_jobs where status in ('pending', 'processing');
end
$$;
alter table image_process_jobs add constraint only_what_has_ended check (status in ('completed', 'failed')) not valid;
-- Those of pending and processing jobs stay: they are empty, cost a job nothing, and answer at once whoever asks the log.
drop index image_process_jobs_active_idx, image_process_jobs_unreadable_idx, image_process_jobs_content_key_idx,
  image_process_jobs_cutout_key_idx, image_process_jobs_mask_key_idx;
drop table job_leases;

-- Open jobs in the columns of the log.
create view open_job_rows as
select job_id, user_id, original_path, null::varchar(512) as mask_path, null::varchar(512) as processed_path,
  (case when claim_id is null then 'pending' else 'processing' end)::varchar(32) as status, created_at,
  null::timestamptz as completed_at, null::integer as processing_time_ms, image_width, image_height, file_size_kb, params,
  null::text as error_message, source_path, source_size, source_mtime_ns, content_sha256, fingerprint, run_id, attempt,
  started_at, null::varchar(32) as error_code, null::varchar(32) as execution_provider, null::bigint as original_bytes,
  null::bigint as mask_bytes, null::bigint as processed_bytes, null::bytea as mask_sha256, null::bytea as processed_sha256,
  null::jsonb as review, null::boolean as needs_review, '{original,mask,processed}'::text[] as kept,
  false as original_shared
from open_jobs;
-- Every job once. For people, and for look-ups by id: a page of it would sort all of the log.
create view all_jobs as
select job_id, user_id, original_path, mask_path, processed_path, status, created_at, completed_at, processing_time_ms,
  image_width, image_height, file_size_kb, params, error_message, source_path, source_size, source_mtime_ns,
  content_sha256, fingerprint, run_id, attempt, started_at, error_code, execution_provider, original_bytes, mask_bytes,
  processed_bytes, mask_sha256, processed_sha256, review, needs_review, kept, original_shared
from image_process_jobs j
where j.status = 'completed' or not exists (select from open_jobs o where o.job_id = j.job_id)
union all
select * from open_job_rows;

-- Look-ups in the log. Each is planned as a part of the statement that asks.
create function jobs_of_content(content bytea) returns setof image_process_jobs language sql stable as $$
  select * from image_process_jobs j
  where log_month(j.created_at) = any (log_months()) and substr(j.content_sha256, 1, 7) = substr(content, 1, 7)
    and j.content_sha256 = content
$$;
create function jobs_of_cutout(digest bytea) returns setof image_process_jobs language sql stable as $$
  select * from image_process_jobs j
  where log_month(j.created_at) = any (log_months()) and substr(j.processed_sha256, 1, 7) = substr(digest, 1, 7)
    and j.processed_sha256 = digest
$$;
create function jobs_of_mask(digest bytea) returns setof image_process_jobs language sql stable as $$
  select * from image_process_jobs j
  where log_month(j.created_at) = any (log_months()) and substr(j.mask_sha256, 1, 7) = substr(digest, 1, 7)
    and j.mask_sha256 = digest
$$;
create function jobs_of_source(path text) returns setof image_process_jobs language sql stable as $$
  select * from image_process_jobs j where source_key(j.source_path) = source_key(path) and j.source_path = path
$$;

-- As before, with tag_jobs, which whoever tags open jobs needs.
create or replace function run_functions() returns text[] language sql immutable as $$
  select '{claim_job,claim_jobs,name_original,complete_jobs,fail_job,record_failure,renew_leases,release_jobs,
    release_jobs_of,stored_original,fold_usage,tag_jobs}'::text[]
$$;

-- Makes the tags that are missing. Only they draw a value of the sequence.
create function make_tags(names text[]) returns void language plpgsql as $$
begin
  if cardinality(names) = 0 then
    return;
  end if;
  -- In one order everywhere, so that two runs adding the same new tags cannot wait for each other in a circle.
  insert into tags (name)
  select n.name from (select distinct unnest(names) as name) n
  where not exists (select from tags t where t.name = n.name) order by n.name
  on conflict (name) do nothing;
end
$$;

-- Gives jobs of the log tags, in addition to those they have.
-- given: their ids, with arrays of names
create function give_tags(given jsonb) returns void language plpgsql as $$
begin
  if given is null or given = '{}' then
    return;
  end if;
  -- They were made when they were named, and somebody may have deleted one since.
  perform make_tags(array(select jsonb_array_elements_text(g.value) from jsonb_each(given) g));
  insert into image_tags (job_id, tag_id)
  select g.key::uuid, t.tag_id
  from jsonb_each(given) g cross join lateral jsonb_array_elements_text(g.value) n (name) join tags t on t.name = n.name
  order by 1, 2
  on conflict do nothing;
end
$$;

-- The same for any jobs, open or not, and for what failed and is open again in both places. Ids without a job are left out.
-- ids, names: arrays
create function tag_jobs(ids jsonb, names jsonb) returns void language plpgsql as $$
declare
  added constant text[] := array(select jsonb_array_elements_text(names));
begin
  perform make_tags(added);
  -- First the open ones: one that ends at this moment is waited for, and found in the log then.
  perform from open_jobs o where o.job_id in (select id::uuid from jsonb_array_elements_text(ids) id)
  order by o.job_id for update;
  update open_jobs o set tags = array(select unnest(o.tags) union select unnest(added))
  where o.job_id in (select id::uuid from jsonb_array_elements_text(ids) id) and not o.tags @> added;
  perform give_tags((
    select jsonb_object_agg(j.job_id, names) from image_process_jobs j
    where j.job_id in (select id::uuid from jsonb_array_elements_text(ids) id)
  ));
end
$$;

-- Gives a run the work on one content with one set of parameters, unless it is done or another run has it.
-- request: jobId (for a new row, and the name of this claim), userId, runId, owner, leaseMs, force, params, keep, tags,
--   contentSha256 and fingerprint (hex), originalPath, imageWidth, imageHeight, fileSizeKb, sourcePath, sourceSize,
--   sourceMtimeNs
-- gone: the claim whose lease runs still, but whose process the caller knows to be dead
-- state: claimed; completed (job is that row); held (by owner, under claim_id)
-- job: of an open job its id, attempt, original_path, content and user alone
create or replace function claim_job(request jsonb, gone uuid)
  returns table (state text, owner text, claim_id uuid, job image_process_jobs)
  language plpgsql
  set enable_seqscan = off -- plans are kept for a session, which may begin with empty tables and fill them
as $$
#variable_conflict use_column
declare
  mine      open_jobs;
  active    open_jobs;
  is_active boolean;
  failed    image_process_jobs; -- to be taken up again
  wanted    constant text[] := array(select jsonb_array_elements_text(request -> 'keep'));
begin
  if not request ? 'tags' then
    raise exception 'This run is of an earlier release of rmbg than the database is now. Begin it again with the release that migrated the database.';
  end if;
  mine.job_id := request ->> 'jobId';
  mine.claim_id := mine.job_id;
  mine.run_id := request ->> 'runId';
  mine.owner := request ->> 'owner';
  mine.lease_until := clock_timestamp() + (request ->> 'leaseMs')::double precision * interval '1 millisecond';
  mine.created_at := now();
  mine.started_at := clock_timestamp();
  mine.attempt := 1;
  mine.content_sha256 := decode(request ->> 'contentSha256', 'hex');
  mine.fingerprint := decode(request ->> 'fingerprint', 'hex');
  mine.work := work_key(mine.content_sha256, mine.fingerprint);
  mine.user_id := request ->> 'userId';
  mine.original_path := request ->> 'originalPath';
  mine.source_path := request ->> 'sourcePath';
  mine.source_size := request ->> 'sourceSize';
  mine.source_mtime_ns := request ->> 'sourceMtimeNs';
  mine.image_width := request ->> 'imageWidth';
  mine.image_height := request ->> 'imageHeight';
  mine.file_size_kb := request ->> 'fileSizeKb';
  mine.params := jsonb_strip_nulls(jsonb_build_object('model', jsonb_build_object(
    'name', request #> '{params,model,name}', 'variant', request #> '{params,model,variant}')));
  mine.tags := array(select distinct jsonb_array_elements_text(request -> 'tags'));
  -- Claims of the same work queue here; the statements below see what the one before did.
  perform pg_advisory_xact_lock(hashtextextended((request ->> 'contentSha256') || (request ->> 'fingerprint'), 0));
  loop
    -- Asked before what is completed: a job that turns completed in between is then seen by both, never by neither.
    select o.* into active from open_jobs o
    where o.work = mine.work and o.content_sha256 = mine.content_sha256 and o.fingerprint = mine.fingerprint;
    is_active := found;

    if not (request ->> 'force')::boolean then
      -- Found first and ordered then: else a plan may walk the whole log from its newest end.
      with done as materialized (
        select c.job_id, c.created_at from jobs_of_content(mine.content_sha256) c
        where c.fingerprint = mine.fingerprint and c.status = 'completed' and c.kept @> wanted
      )
      select j.* into job from image_process_jobs j
      where j.job_id = (select d.job_id from done d order by d.created_at desc limit 1);
      if found then
        if (job.source_path, job.source_size, job.source_mtime_ns)
          is distinct from (mine.source_path, mine.source_size, mine.source_mtime_ns) then
          -- From now on this file is known to be done without being read.
          insert into known_sources (path_md5, fingerprint, source_size, source_mtime_ns, job_id)
          values (md5(mine.source_path)::uuid, mine.fingerprint, mine.source_size, mine.source_mtime_ns, job.job_id)
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
      with failures as materialized (
        select s.job_id, s.created_at from jobs_of_source(mine.source_path) s
        where s.fingerprint = mine.fingerprint and s.status = 'failed'
          and (s.content_sha256 is null or s.content_sha256 = mine.content_sha256)
          and not exists (select from open_jobs o where o.job_id = s.job_id)
      )
      select j.* into failed from image_process_jobs j
      where j.job_id = (select f.job_id from failures f order by f.created_at desc limit 1) and j.status = 'failed'
      for update;
      -- Looked at again once its row is locked: another content of the same file may have taken it up.
      if found and not exists (select from open_jobs o where o.job_id = failed.job_id) then
        mine.job_id := failed.job_id;
        mine.attempt := failed.attempt + 1;
        mine.created_at := failed.created_at;
        mine.original_path := failed.original_path;
        mine.tags := array(select unnest(mine.tags) union
          select t.name from image_tags i join tags t on t.tag_id = i.tag_id where i.job_id = failed.job_id);
        -- A prune that has chosen this row sees that it has changed, and leaves it.
        update image_process_jobs j set attempt = mine.attempt where j.job_id = mine.job_id;
      end if;
      insert into open_jobs select mine.*;
      exit;
    end if;
    if active.claim_id = mine.claim_id then
      -- It went through before, and only its acknowledgement was lost.
      mine := active;
      exit;
    end if;
    if active.lease_until > clock_timestamp() and active.claim_id is distinct from gone then
      job.job_id := active.job_id;
      state := 'held';
      owner := active.owner;
      claim_id := active.claim_id;
      return next;
      return;
    end if;
    -- Whoever changes the row has the job: its holder may be alive after all and complete it at this moment.
    update open_jobs o
    set run_id = mine.run_id, claim_id = mine.claim_id, owner = mine.owner, lease_until = mine.lease_until,
      started_at = mine.started_at, attempt = o.attempt + 1, user_id = mine.user_id, source_path = mine.source_path,
      source_size = mine.source_size, source_mtime_ns = mine.source_mtime_ns, image_width = mine.image_width,
      image_height = mine.image_height, file_size_kb = mine.file_size_kb, params = mine.params,
      tags = array(select unnest(o.tags) union select unnest(mine.tags))
    where o.job_id = active.job_id and o.claim_id is not distinct from active.claim_id and o.attempt = active.attempt
    returning o.* into active;
    if found then
      mine := active;
      exit;
    end if;
  end loop;

  job.job_id := mine.job_id;
  job.attempt := mine.attempt;
  job.original_path := mine.original_path;
  job.kept := '{original}'; -- only so that the path is read: nothing is kept yet
  job.content_sha256 := mine.content_sha256;
  job.user_id := mine.user_id;
  state := 'claimed';
  return next;
end
$$;

-- As before, with the tags of all of them, made before anything else is held but the locks of the contents.
create or replace function claim_jobs(requests jsonb)
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
  perform make_tags(array(
    select jsonb_array_elements_text(r -> 'tags') from jsonb_array_elements(requests) r
  ));
  for one in select r.value, r.ordinality::integer as place from jsonb_array_elements(requests) with ordinality r loop
    return query
    select one.place, c.state, c.owner, c.claim_id, c.job from claim_job(one.value, (one.value ->> 'gone')::uuid) c;
  end loop;
end
$$;

-- The open row of a job that is taken up again names the original of this attempt.
create or replace function name_original(job uuid, of_attempt integer, run uuid, path text) returns void
  language sql as $$
  update open_jobs set original_path = path where job_id = job and attempt = of_attempt and run_id = run
$$;

-- Writes completed jobs into the log, with keys and checksums, and ends their leases.
-- completions: an array of jobId, attempt, runId, params, kept (kinds), originalPath, sharesOriginal (another job has stored it),
--   maskPath, processedPath, originalBytes, maskBytes, processedBytes, maskSha256 and processedSha256 (hex),
--   processingTimeMs, executionProvider, review
-- completion: its place in the array, from 1
-- is_done: false when the attempt no longer holds the job, or no completed job names the shared original any more
create or replace function complete_jobs(completions jsonb) returns table (completion bigint, is_done boolean)
  language plpgsql
  set enable_seqscan = off -- as claim_job()
  set enable_hashjoin = off
  set enable_mergejoin = off
as $$
#variable_conflict use_column
declare
  lost   bigint[] := '{}'; -- places of those whose shared original is gone
  ended  uuid[];
  tagged jsonb;
begin
  if completions @> '[{"sharesOriginal": true}]' then
    -- Before anything is written: see hold_original().
    select coalesce(array_agg(c.ordinality), '{}') into lost
    from jsonb_array_elements(completions) with ordinality c
    join open_jobs o on o.job_id = (c.value ->> 'jobId')::uuid
    where (c.value ->> 'sharesOriginal')::boolean
      and not hold_original(c.value ->> 'originalPath', o.content_sha256);
  end if;
  with asked as materialized (
    select * from rows from (jsonb_to_recordset(completions) as ("jobId" uuid, attempt integer, "runId" uuid,
      params jsonb, kept jsonb, "originalPath" text, "sharesOriginal" boolean, "maskPath" text, "processedPath" text, "originalBytes" bigint,
      "maskBytes" bigint, "processedBytes" bigint, "maskSha256" text, "processedSha256" text,
      "processingTimeMs" integer, "executionProvider" text, review jsonb)) with ordinality as a
    order by a."jobId" -- as tag_jobs() locks them
  ), held as (
    -- Whoever deletes the row has the job.
    delete from open_jobs o using asked a
    where o.job_id = a."jobId" and o.run_id = a."runId" and o.attempt = a.attempt and o.claim_id is not null
      and a.ordinality <> all (lost)
    returning a.ordinality, o.*
  ), job as (
    insert into image_process_jobs as j (job_id, user_id, original_path, mask_path, processed_path, status, created_at,
      completed_at, processing_time_ms, image_width, image_height, file_size_kb, params, error_message, source_path,
      source_size, source_mtime_ns, content_sha256, fingerprint, run_id, attempt, started_at, error_code,
      execution_provider, original_bytes, mask_bytes, processed_bytes, mask_sha256, processed_sha256, review, needs_review,
      kept, original_shared)
    select h.job_id, h.user_id, coalesce(a."originalPath", h.original_path), a."maskPath", a."processedPath", 'completed',
      h.created_at, greatest(clock_timestamp(), h.created_at), a."processingTimeMs", h.image_width, h.image_height,
      h.file_size_kb, coalesce(a.params, h.params) || jsonb_build_object('provider', a."executionProvider"), null, h.source_path, h.source_size,
      h.source_mtime_ns, h.content_sha256, h.fingerprint, h.run_id, h.attempt, h.started_at, null, a."executionProvider",
      a."originalBytes", a."maskBytes", a."processedBytes", decode(a."maskSha256", 'hex'),
      decode(a."processedSha256", 'hex'), a.review, jsonb_array_length(a.review -> 'reasons') > 0,
      array(select jsonb_array_elements_text(a.kept)), a."sharesOriginal"
    from held h join asked a on a.ordinality = h.ordinality
    -- One that failed before is done after all.
    on conflict (job_id) do update
    set user_id = excluded.user_id, original_path = excluded.original_path, mask_path = excluded.mask_path,
      processed_path = excluded.processed_path, status = excluded.status, completed_at = excluded.completed_at,
      processing_time_ms = excluded.processing_time_ms, image_width = excluded.image_width,
      image_height = excluded.image_height, file_size_kb = excluded.file_size_kb, params = excluded.params,
      error_message = null, source_path = excluded.source_path, source_size = excluded.source_size,
      source_mtime_ns = excluded.source_mtime_ns, content_sha256 = excluded.content_sha256,
      fingerprint = excluded.fingerprint, run_id = excluded.run_id, attempt = excluded.attempt,
      started_at = excluded.started_at, error_code = null, execution_provider = excluded.execution_provider,
      original_bytes = excluded.original_bytes, mask_bytes = excluded.mask_bytes,
      processed_bytes = excluded.processed_bytes, mask_sha256 = excluded.mask_sha256,
      processed_sha256 = excluded.processed_sha256, review = excluded.review, needs_review = excluded.needs_review,
      kept = excluded.kept, original_shared = excluded.original_shared
    returning j.job_id
  )
  select coalesce(array_agg(j.job_id), '{}'), jsonb_object_agg(j.job_id, h.tags) filter (where h.tags <> '{}')
  into ended, tagged from job j join held h on h.job_id = j.job_id;
  perform give_tags(tagged);
  return query
  select c.ordinality, (c.value ->> 'jobId')::uuid = any (ended)
    -- The acknowledgement of an earlier try may have been lost on the way.
    or exists (select from image_process_jobs j where j.job_id = (c.value ->> 'jobId')::uuid
      and j.attempt = (c.value ->> 'attempt')::integer and j.run_id = (c.value ->> 'runId')::uuid
      and j.status = 'completed')
  from jsonb_array_elements(completions) with ordinality c;
end
$$;

-- failure: jobId, attempt, runId, params, errorCode, errorMessage
-- Returns false when the attempt no longer holds the job.
create or replace function fail_job(failure jsonb) returns boolean
  language plpgsql
  set enable_seqscan = off -- as claim_job()
as $$
declare
  job  constant uuid := failure ->> 'jobId';
  this constant integer := failure ->> 'attempt';
  run  constant uuid := failure ->> 'runId';
  names text[];
begin
  with held as (
    delete from open_jobs o where o.job_id = job and o.run_id = run and o.attempt = this and o.claim_id is not null
    returning o.*
  ), written as (
    insert into image_process_jobs as j (job_id, user_id, original_path, status, created_at, image_width, image_height,
      file_size_kb, params, error_message, source_path, source_size, source_mtime_ns, content_sha256, fingerprint, run_id,
      attempt, started_at, error_code)
    select h.job_id, h.user_id, h.original_path, 'failed', h.created_at, h.image_width, h.image_height, h.file_size_kb,
      coalesce(failure -> 'params', h.params), failure ->> 'errorMessage', h.source_path, h.source_size, h.source_mtime_ns, h.content_sha256,
      h.fingerprint, h.run_id, h.attempt, h.started_at, failure ->> 'errorCode'
    from held h
    on conflict (job_id) do update
    set user_id = excluded.user_id, original_path = excluded.original_path, status = excluded.status,
      image_width = excluded.image_width, image_height = excluded.image_height, file_size_kb = excluded.file_size_kb,
      params = excluded.params, error_message = excluded.error_message, source_path = excluded.source_path,
      source_size = excluded.source_size, source_mtime_ns = excluded.source_mtime_ns,
      content_sha256 = excluded.content_sha256, fingerprint = excluded.fingerprint, run_id = excluded.run_id,
      attempt = excluded.attempt, started_at = excluded.started_at, error_code = excluded.error_code
  )
  select h.tags into names from held h;
  if found then
    perform give_tags(jsonb_build_object(job, names));
    return true;
  end if;
  -- It has ended before: the acknowledgement may have been lost on the way.
  return exists (select from image_process_jobs j where j.job_id = job and j.attempt = this and j.run_id = run);
end
$$;

-- A file that failed before its content was known. Its failed row of an earlier run is used again.
-- failure: jobId (for a new row), userId, runId, originalPath, params, fingerprint (hex), sourcePath, sourceSize and
--   sourceMtimeNs (null where unknown), tags, errorCode, errorMessage
-- Returns the id of the row.
create or replace function record_failure(failure jsonb) returns uuid
  language plpgsql
  set enable_seqscan = off -- as claim_job()
as $$
declare
  path       constant text := failure ->> 'sourcePath';
  size       constant bigint := failure ->> 'sourceSize';
  parameters constant bytea := decode(failure ->> 'fingerprint', 'hex');
  recorded   uuid;
begin
  -- Failures of one file queue here, so that they are one row.
  perform pg_advisory_xact_lock(hashtextextended((failure ->> 'fingerprint') || path, 1));
  with failures as materialized (
    select s.job_id, s.created_at from jobs_of_source(path) s
    where s.fingerprint = parameters and s.status = 'failed'
      and not exists (select from open_jobs o where o.job_id = s.job_id)
  )
  select j.job_id into recorded from image_process_jobs j
  where j.job_id = (select f.job_id from failures f order by f.created_at desc limit 1) and j.status = 'failed'
  for update;
  -- Looked at again once its row is locked: a run may have taken it up.
  if found and not exists (select from open_jobs o where o.job_id = recorded) then
    update image_process_jobs j
    set attempt = j.attempt + 1, run_id = (failure ->> 'runId')::uuid, user_id = failure ->> 'userId', source_size = size,
      source_mtime_ns = (failure ->> 'sourceMtimeNs')::bigint, error_code = failure ->> 'errorCode',
      error_message = failure ->> 'errorMessage'
    where j.job_id = recorded;
    perform give_tags(jsonb_build_object(recorded, coalesce(failure -> 'tags', '[]')));
    return recorded;
  end if;
  recorded := failure ->> 'jobId';
  insert into image_process_jobs (job_id, user_id, original_path, status, params, source_path, source_size,
    source_mtime_ns, fingerprint, run_id, file_size_kb, error_code, error_message)
  values (recorded, failure ->> 'userId', failure ->> 'originalPath', 'failed', failure -> 'params', path, size,
    (failure ->> 'sourceMtimeNs')::bigint, parameters, (failure ->> 'runId')::uuid, ceil(size / 1024.0),
    failure ->> 'errorCode', failure ->> 'errorMessage');
  perform give_tags(jsonb_build_object(recorded, coalesce(failure -> 'tags', '[]')));
  return recorded;
end
$$;

-- The heartbeat of a run. A row that somebody has locked is being ended or taken over: waiting for it could be waiting
-- in a circle.
create or replace function renew_leases(run uuid, lease_ms double precision) returns void
  language sql as $$
  update open_jobs set lease_until = clock_timestamp() + lease_ms * interval '1 millisecond'
  where job_id in (select job_id from open_jobs where run_id = run and claim_id is not null for update skip locked)
$$;

-- What a run did not finish is pending again, and any run may claim it.
create or replace function release_jobs(run uuid) returns void
  language sql as $$
  update open_jobs set claim_id = null, owner = null, lease_until = null where run_id = run and claim_id is not null
$$;

-- The same for the runs of owners that are certainly gone, and for leases that a wrong clock has given for longer.
-- owners: an array
create or replace function release_jobs_of(owners jsonb, longest interval) returns void
  language sql as $$
  update open_jobs set claim_id = null, owner = null, lease_until = null
  where owner in (select jsonb_array_elements_text(owners)) or lease_until > clock_timestamp() + longest
$$;

create or replace function stored_original(content bytea, owner text)
  returns table (original_path varchar, original_bytes bigint)
  language plpgsql stable
  set enable_seqscan = off -- as claim_job()
as $$
#variable_conflict use_column
begin
  return query
  with stored as materialized (
    select c.original_path, c.original_bytes, c.created_at from jobs_of_content(content) c
    where c.status = 'completed' and c.user_id = owner and 'original' = any (c.kept) and c.original_bytes is not null
  )
  select s.original_path, s.original_bytes from stored s order by s.created_at desc limit 1;
end
$$;

create or replace function jobs_naming(key text, content bytea) returns uuid[]
  language plpgsql stable
  set enable_seqscan = off -- as claim_job()
as $$
begin
  return array(select c.job_id from jobs_of_content(content) c
    where c.status = 'completed' and c.original_path = key and 'original' = any (c.kept));
end
$$;

create or replace function pass_on_deleted_originals() returns trigger
  language plpgsql
  set enable_seqscan = off -- as claim_job()
as $$
begin
  perform pass_original_on(g.original_path, g.content_sha256) from gone g
  where g.status = 'completed' and not g.original_shared and 'original' = any (g.kept)
    and exists (select from jobs_of_content(g.content_sha256) c
      where c.status = 'completed' and c.original_path = g.original_path and c.original_shared);
  return null;
end
$$;

-- A job gets the tags of its run right after its row. One note a statement.
create function note_given_tags() returns trigger language plpgsql as $$
begin
  insert into usage_changes (dimension, stat_date, value, completed_jobs, failed_jobs, review_jobs, timed_jobs,
    sum_processing_time_ms, bucket, original_bytes, mask_bytes, processed_bytes)
  select 'tag', (j.created_at at time zone 'UTC')::date, t.name, count(*) filter (where j.status = 'completed'),
    count(*) filter (where j.status = 'failed'),
    count(*) filter (where j.status = 'completed' and j.needs_review),
    count(*) filter (where j.status = 'completed' and j.processing_time_ms is not null),
    coalesce(sum(j.processing_time_ms) filter (where j.status = 'completed'), 0), null, 0, 0, 0
  from given g join image_process_jobs j on j.job_id = g.job_id join tags t on t.tag_id = g.tag_id
  group by 2, 3;
  return null;
end
$$;
drop trigger note_usage_of_tag on image_tags;
create trigger note_usage_of_tag after insert on image_tags referencing new table as given
  for each statement execute function note_given_tags();

-- As before, with what is new: the trigger notes usage for whoever tags.
do $$
declare
  path constant text := quote_ident(current_schema()) || ', pg_temp';
  each regprocedure;
begin
  for each in
    select p.oid::regprocedure from pg_proc p
    where p.pronamespace = current_schema()::regnamespace
      and p.proname = any (run_functions() || '{note_tag_usage,note_given_tags}'::text[])
  loop
    execute format('alter function %s security definer set search_path = %s', each, path);
    execute format('revoke all on function %s from public', each);
  end loop;
end
$$;
