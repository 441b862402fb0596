-- What a role needs by now, whole, in the place of what 0033 said.

-- What a run calls.
create or replace function run_functions() returns text[] language sql immutable as $$
  select '{claim_job,claim_jobs,name_original,complete_jobs,fail_job,record_failure,renew_leases,release_jobs,
    release_jobs_of,stored_original,fold_usage,tag_jobs,reserve_sources,renew_source_claims,release_source_claims,
    ensure_partitions,make_room_for}'::text[]
$$;

-- What somebody calls who judges cut-outs.
create function review_functions() returns text[] language sql immutable as $$
  select '{judge_jobs,choose_version}'::text[]
$$;

-- To read everything of ours and, as a writer, to run images, judge them and share them out. One statement a row.
create or replace function grants_for(role_name name, writes boolean) returns setof text language sql stable as $$
  select format('grant connect on database %I to %I', current_database(), role_name)
  union all
  select format('grant usage on schema %I to %I', current_schema(), role_name)
  union all
  select format('grant select on table %I.%I to %I', current_schema(), t, role_name)
  from unnest('{image_process_jobs,open_jobs,open_job_rows,all_jobs,known_sources,source_claims,users,tags,image_tags,
    tombstones,backups,usage_changes,usage_state,daily_usage,daily_latency,processing_stats,installation,command_locks,
    schema_migrations,verdicts,job_verdicts,verdict_counts,job_versions,known_keys,log_conversion,gone_months,campaigns,
    campaign_progress,campaign_failures}'::text[]) t
  union all
  select format(s, current_schema(), role_name)
  from unnest(array[
    'grant insert (user_id, username, last_login), update (last_login) on table %I.users to %I',
    'grant insert on table %I.tags to %I',
    'grant usage on sequence %I.tags_tag_id_seq to %I',
    'grant insert on table %I.image_tags to %I',
    'grant insert on table %I.installation to %I',
    'grant insert, update on table %I.campaigns to %I',
    'grant insert, update, delete on table %I.campaign_progress to %I',
    'grant insert, update, delete on table %I.campaign_failures to %I'
  ]) s where writes
  union all
  select format('grant select on sequence %I.tags_tag_id_seq to %I', current_schema(), role_name)
  union all
  select format('grant execute on function %s to %I', p.oid::regprocedure, role_name)
  from pg_proc p
  where writes and p.pronamespace = current_schema()::regnamespace
    and p.proname = any (run_functions() || review_functions())
  union all
  -- The queue of the fleet, once there is one.
  select format(s, case when writes then 'select, insert, update, delete' else 'select' end, role_name)
  from unnest(array[
    'grant usage on schema pgboss to %2$I',
    'grant %1$s on all tables in schema pgboss to %2$I'
  ]) s where to_regnamespace('pgboss') is not null
$$;

do $$
declare
  path constant text := quote_ident(current_schema()) || ', pg_temp';
  each regprocedure;
  statement text;
begin
  for each in
    select p.oid::regprocedure from pg_proc p
    where p.pronamespace = current_schema()::regnamespace
      and p.proname = any (run_functions() || review_functions()) and not p.prosecdef
  loop
    execute format('alter function %s security definer set search_path = %s', each, path);
    execute format('revoke all on function %s from public', each);
  end loop;
  -- Who reads and writes today goes on.
  for statement in
    select grants_for(r.rolname, has_function_privilege(r.oid, 'claim_jobs(jsonb)', 'execute'))
    from pg_class c, aclexplode(c.relacl) a join pg_roles r on r.oid = a.grantee
    where c.oid = 'schema_migrations'::regclass and a.privilege_type = 'SELECT' and a.grantee <> c.relowner
  loop
    execute statement;
  end loop;
end
$$;
