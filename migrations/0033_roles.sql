-- A role that only makes cut-outs changes no table itself: the functions of a run work with the rights of their owner, and
-- each does one thing. Statistics, and jobs that a run does not hold, are out of its reach. search_path is fixed, so that
-- nobody who calls them decides what the names in them mean.

-- What a run calls. Others may have functions of their own in this schema.
create function run_functions() returns text[] language sql immutable as $$
  select '{claim_job,claim_jobs,name_original,complete_jobs,fail_job,record_failure,renew_leases,release_jobs,
    release_jobs_of,stored_original,fold_usage}'::text[]
$$;

do $$
declare
  functions constant text[] := run_functions() || 'note_tag_usage'::text; -- a trigger, of whoever tags
  path    constant text := quote_ident(current_schema()) || ', pg_temp';
  each    regprocedure;
  grantee text;
begin
  for each in
    select p.oid::regprocedure from pg_proc p
    where p.pronamespace = current_schema()::regnamespace and p.proname = any (functions)
  loop
    execute format('alter function %s security definer set search_path = %s', each, path);
    execute format('revoke all on function %s from public', each);
    -- Whoever writes today goes on.
    for grantee in
      select quote_ident(pg_get_userbyid(a.grantee)) from pg_class c, aclexplode(c.relacl) a
      where c.oid = 'image_process_jobs'::regclass and a.privilege_type = 'INSERT' and a.grantee <> 0
        and a.grantee <> c.relowner
    loop
      execute format('grant execute on function %s to %s', each, grantee);
    end loop;
  end loop;
end
$$;

-- What a role needs: to read everything of ours and, as a writer, to run images and nothing else. One statement a row.
create function grants_for(role_name name, writes boolean) returns setof text language sql stable as $$
  select format('grant connect on database %I to %I', current_database(), role_name)
  union all
  select format('grant usage on schema %I to %I', current_schema(), role_name)
  union all
  select format('grant select on table %I.%I to %I', current_schema(), t, role_name)
  from unnest('{image_process_jobs,job_leases,known_sources,users,tags,image_tags,tombstones,backups,usage_changes,
    usage_state,daily_usage,daily_latency,processing_stats,installation,command_locks,schema_migrations}'::text[]) t
  union all
  select format(s, current_schema(), role_name)
  from unnest(array[
    'grant insert (user_id, username, last_login), update (last_login) on table %I.users to %I',
    'grant insert on table %I.tags to %I',
    'grant usage on sequence %I.tags_tag_id_seq to %I',
    'grant insert on table %I.image_tags to %I',
    'grant insert on table %I.installation to %I'
  ]) s where writes
  union all
  select format('grant select on sequence %I.tags_tag_id_seq to %I', current_schema(), role_name)
  union all
  select format('grant execute on function %s to %I', p.oid::regprocedure, role_name)
  from pg_proc p where writes and p.pronamespace = current_schema()::regnamespace and p.proname = any (run_functions())
$$;
