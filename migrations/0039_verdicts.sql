-- What people say of cut-outs, and which of several versions of one counts.

-- Every verdict that was ever given. "open" takes the one before it back.
create table verdicts (
  verdict_id bigint generated always as identity primary key,
  job_id     uuid not null references image_process_jobs (job_id) on delete cascade,
  verdict    varchar(8) not null,
  said_by    varchar(64) collate "C" not null,
  said_at    timestamptz not null,
  note       text,
  constraint verdicts_known check (verdict in ('accepted', 'rejected', 'open')),
  constraint verdicts_note_is_short check (length(note) <= 2000),
  -- A file of verdicts may be applied twice.
  constraint verdicts_once unique (job_id, said_at, said_by, verdict)
);

-- The latest of each job.
create table job_verdicts (
  job_id  uuid primary key references image_process_jobs (job_id) on delete cascade,
  verdict varchar(8) not null,
  said_by varchar(64) collate "C" not null,
  said_at timestamptz not null,
  note    text
);
create index job_verdicts_verdict_idx on job_verdicts (verdict, job_id);

-- How many jobs of a day (UTC, by creation) have which verdict. As all statistics, it outlives the jobs.
create table verdict_counts (
  stat_date date primary key,
  accepted  bigint not null default 0,
  rejected  bigint not null default 0
);

-- Jobs that are versions of one cut-out: what was done again, with other settings or a mask mended by hand. A job that
-- is in no family is its own only version.
create table job_versions (
  job_id     uuid primary key references image_process_jobs (job_id) on delete cascade,
  family     uuid not null, -- the id of its first job, which may be deleted before the others
  is_current boolean not null,
  how        varchar(8) not null,
  made_by    varchar(64) collate "C" not null,
  made_at    timestamptz not null default clock_timestamp(),
  constraint job_versions_how check (how in ('run', 'redo', 'brush'))
);
create index job_versions_family_idx on job_versions (family);
create unique index job_versions_current_idx on job_versions (family) where is_current;

-- Records verdicts: [{jobId, verdict, by, at, note}]; without "at" they are given now, and none is of later than now. The
-- later one counts, whatever the order in which they come.
-- state: "stands"; "older" than the one that stands, and recorded all the same; "known" from before; "unknown", for there is
--   no such completed job
create function judge_jobs(judgements jsonb) returns table (place bigint, state text) language plpgsql as $$
declare
  each    record;
  created timestamptz;
  now_at  timestamptz := clock_timestamp();
  old     job_verdicts;
begin
  -- In one order, or two who judge the same jobs would wait for each other.
  for each in
    select g.n, (g.j ->> 'jobId')::uuid as job, g.j ->> 'verdict' as verdict, g.j ->> 'by' as said_by,
      least(coalesce((g.j ->> 'at')::timestamptz, now_at), now_at) as said_at, nullif(g.j ->> 'note', '') as note
    from jsonb_array_elements(judgements) with ordinality as g (j, n) order by 2, 5, 1
  loop
    place := each.n;
    select j.created_at into created from image_process_jobs j
      where j.job_id = each.job and j.status = 'completed' for key share;
    if not found then
      state := 'unknown';
      return next;
      continue;
    end if;
    insert into job_verdicts values (each.job, 'open', each.said_by, '-infinity') on conflict do nothing;
    select * into old from job_verdicts v where v.job_id = each.job for update;
    insert into verdicts (job_id, verdict, said_by, said_at, note)
      values (each.job, each.verdict, each.said_by, each.said_at, each.note) on conflict do nothing;
    if not found then
      state := 'known';
    elsif each.said_at < old.said_at then
      state := 'older';
    else
      state := 'stands';
      update job_verdicts v set verdict = each.verdict, said_by = each.said_by, said_at = each.said_at, note = each.note
        where v.job_id = each.job;
      insert into verdict_counts as c (stat_date, accepted, rejected)
        values ((created at time zone 'UTC')::date, (each.verdict = 'accepted')::int, (each.verdict = 'rejected')::int)
        on conflict (stat_date) do update set
          accepted = c.accepted + excluded.accepted - (old.verdict = 'accepted')::int,
          rejected = c.rejected + excluded.rejected - (old.verdict = 'rejected')::int;
    end if;
    return next;
  end loop;
end
$$;

-- Makes a job the version of another one that counts. It may have been one before.
create function choose_version(old_job uuid, new_job uuid, of_kind text, who text) returns void language plpgsql as $$
declare
  root uuid;
begin
  perform pg_advisory_xact_lock(hashtextextended('rmbg job_versions', 0)); -- a few times a minute at most
  select v.family into root from job_versions v where v.job_id = old_job;
  if root is null then
    root := old_job;
    insert into job_versions values (old_job, root, true, 'run', who);
  end if;
  update job_versions v set is_current = false where v.family = root and v.is_current;
  insert into job_versions values (new_job, root, false, of_kind, who)
    on conflict (job_id) do update set family = excluded.family;
  update job_versions v set is_current = true where v.job_id = new_job;
end
$$;

-- How much a cut-out is in doubt, from what the mask tells (see src/cutout/pixels/review.ts): the sum over its reasons.
create function review_doubt(review jsonb) returns integer language sql immutable parallel safe as $$
  select coalesce(sum(case reason
    when 'empty-mask' then 1000
    when 'full-mask' then 900
    when 'rules' then 500
    when 'doubtful-mask' then 200 + 400 * (1 - coalesce((review ->> 'expectedIou')::float8, 0.5))
    when 'halo' then 100 + 300 * coalesce((review ->> 'haloScore')::float8, 0.5)
    when 'soft-mask' then 50 + 250 * coalesce((review ->> 'softShare')::float8, 0.5)
    when 'touches-frame' then 200
    when 'many-islands' then 150
    when 'many-holes' then 120
    when 'small-subject' then 120
    else 100
  end), 0)::integer
  from jsonb_array_elements_text(case when jsonb_typeof(review -> 'reasons') = 'array' then review -> 'reasons' end) reason
$$;
