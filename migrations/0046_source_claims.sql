-- Which inputs runs are about to read. A run that shares its list with others takes what nobody else has taken, before it
-- reads anything. It is about time and traffic alone: that nothing is done twice is for claim_job() to hold. So the table
-- writes no WAL, and is empty after a crash of the server.
create unlogged table source_claims (
  path_md5    uuid not null, -- of the path, a newline, and what stands for its time
  fingerprint bytea not null,
  run_id      uuid not null,
  owner       text not null,
  lease_until timestamptz not null,
  primary key (path_md5, fingerprint)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000);
create index source_claims_run_idx on source_claims (run_id);

-- Takes some of these inputs for a run, and says which of them are done or held. One statement for many.
-- request: runId, owner, leaseMs, fingerprint (hex), want (how many at most), gone (owners that are known to be dead),
--   done (keys that the run is through with), sources: an array of path, size, mtime, keep (an array of PostgreSQL)
-- place: in the array, from 1; those that were not needed are left out
-- state: reserved; completed; held (by owner)
create function reserve_sources(request jsonb) returns table (place integer, state text, owner text)
  language plpgsql
  set enable_seqscan = off -- as claim_job()
as $$
#variable_conflict use_column
declare
  parameters constant bytea := decode(request ->> 'fingerprint', 'hex');
  run        constant uuid := request ->> 'runId';
  gone       constant text[] := array(select jsonb_array_elements_text(request -> 'gone'));
  lease      constant timestamptz := clock_timestamp()
    + (request ->> 'leaseMs')::double precision * interval '1 millisecond';
  wanted     integer := request ->> 'want';
  each       record;
  is_mine    boolean;
begin
  delete from source_claims c
  where c.path_md5 in (select value::uuid from jsonb_array_elements_text(request -> 'done'))
    and c.fingerprint = parameters and c.run_id = run;
  for each in
    select s.path, s.size, s.mtime, s.keep::text[] as keep, s.ordinality::integer as place,
      md5(s.path || E'\n' || s.mtime)::uuid as key
    from rows from (jsonb_to_recordset(request -> 'sources') as (path text, size bigint, mtime bigint, keep text))
      with ordinality s
    -- In one order everywhere, so that no two runs wait for each other in a circle.
    order by key
  loop
    exit when wanted = 0;
    insert into source_claims as c (path_md5, fingerprint, run_id, owner, lease_until)
    values (each.key, parameters, run, request ->> 'owner', lease)
    on conflict (path_md5, fingerprint) do update
    set run_id = excluded.run_id, owner = excluded.owner, lease_until = excluded.lease_until
    where c.lease_until < clock_timestamp() or c.owner = any (gone);
    is_mine := found;
    place := each.place;
    owner := null;
    -- Asked when nobody else can begin it any more: who did it before has completed it before letting go.
    perform from image_process_jobs j
    where source_key(j.source_path) = source_key(each.path) and j.source_path = each.path
      and j.fingerprint = parameters and j.source_size = each.size and j.source_mtime_ns = each.mtime
      and j.status = 'completed' and j.kept @> each.keep
    union all
    select from known_sources k join image_process_jobs j on j.job_id = k.job_id
    where k.path_md5 = md5(each.path)::uuid and k.fingerprint = parameters and k.source_size = each.size
      and k.source_mtime_ns = each.mtime and j.status = 'completed' and j.kept @> each.keep
    limit 1;
    if found then
      state := 'completed';
      if is_mine then
        delete from source_claims where path_md5 = each.key and fingerprint = parameters and run_id = run;
      end if;
    elsif is_mine then
      state := 'reserved';
      wanted := wanted - 1;
    else
      state := 'held';
      select c.owner into owner from source_claims c where c.path_md5 = each.key and c.fingerprint = parameters;
    end if;
    return next;
  end loop;
end
$$;

create function renew_source_claims(run uuid, lease_ms double precision) returns void
  language sql as $$
  update source_claims set lease_until = clock_timestamp() + lease_ms * interval '1 millisecond'
  where (path_md5, fingerprint) in (
    select path_md5, fingerprint from source_claims where run_id = run order by path_md5 for update skip locked)
$$;

-- Lets go of what a run has taken, and clears away what dead ones have left.
create function release_source_claims(run uuid) returns void
  language sql as $$
  delete from source_claims where (path_md5, fingerprint) in (
    select path_md5, fingerprint from source_claims
    where run_id = run or lease_until < clock_timestamp() - interval '1 hour'
    order by path_md5 for update skip locked)
$$;
