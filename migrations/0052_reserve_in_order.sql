-- As before, but lets go of inputs last, and of none that somebody is looking at: until then each call waits in one order,
-- and afterwards for nobody. To let go first made circles of runs that shared a list, and each cost a second.
-- And what is completed is asked as everywhere else, which knows a log in months.
create or replace function reserve_sources(request jsonb) returns table (place integer, state text, owner text)
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
  for each in
    select s.path, s.size, s.mtime, s.keep::text[] as keep, s.ordinality::integer as place,
      md5(s.path || E'\n' || s.mtime)::uuid as key
    from rows from (jsonb_to_recordset(request -> 'sources') as (path text, size bigint, mtime bigint, keep text))
      with ordinality s
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
    perform from completed_of_source(each.path, each.size, each.mtime, parameters) j where j.kept @> each.keep limit 1;
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
  -- What is skipped is let go of when the run ends.
  delete from source_claims c using (
    select s.path_md5, s.fingerprint from source_claims s
    where s.path_md5 in (select value::uuid from jsonb_array_elements_text(request -> 'done'))
      and s.fingerprint = parameters and s.run_id = run
    for update skip locked
  ) done
  where c.path_md5 = done.path_md5 and c.fingerprint = done.fingerprint;
end
$$;

do $$
begin
  -- Which another body takes away: see 0048.
  execute format('alter function reserve_sources(jsonb) security definer set search_path = %I, pg_temp', current_schema());
end
$$;
