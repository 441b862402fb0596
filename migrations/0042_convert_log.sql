-- What `rmbg migrate --partition` calls: see src/database/partition-log.ts for the steps around it.

-- Tables of ours that refer to jobs, and go on without a foreign key: those to a partitioned table would be checked
-- against all of them whenever a month is taken out.
create function conversion_references() returns text[] language sql immutable as $$
  select '{image_tags,known_sources,verdicts,job_verdicts,job_versions}'::text[]
$$;

-- Views of the log, ours and those of others: each would go on looking at what was the table.
create function log_views() returns table (name text, definition text) language sql stable as $$
  select distinct on (v.oid) v.oid::regclass::text,
    format('create or replace view %s%s as %s', v.oid::regclass,
      coalesce(' with (' || array_to_string(v.reloptions, ', ') || ')', ''), pg_get_viewdef(v.oid))
  from pg_depend d join pg_rewrite r on d.classid = 'pg_rewrite'::regclass and r.oid = d.objid
  join pg_class v on v.oid = r.ev_class and v.relkind = 'v'
  where d.refclassid = 'pg_class'::regclass and d.refobjid in ('image_process_jobs'::regclass, 'image_tags'::regclass)
$$;

-- What would be lost, or would go on looking at a part of the log, if it were converted. One phrase a row.
create function conversion_obstacles() returns setof text language sql stable as $$
  with log as (
    select c.oid, c.relname, c.reltype, c.relrowsecurity, c.relreplident from pg_class c
    where c.oid in ('image_process_jobs'::regclass, 'image_tags'::regclass)
  )
  select format('the unique index %s', x.indexrelid::regclass) from pg_index x join log on log.oid = x.indrelid
  where (x.indisunique or x.indisexclusion) and not x.indisprimary
  union all
  select format('the foreign key %s of %s', k.conname, k.conrelid::regclass)
  from pg_constraint k join log on log.oid = k.confrelid
  where k.contype = 'f' and not (k.conrelid::regclass::text = any (conversion_references()))
  union all
  select format('the foreign key %s of %s', k.conname, log.relname) from pg_constraint k join log on log.oid = k.conrelid
  where k.contype = 'f' and log.relname = 'image_process_jobs'
  union all
  select distinct format('the %s %s', case v.relkind when 'm' then 'materialized view' else 'rule on' end, v.oid::regclass)
  from pg_depend d join pg_rewrite r on d.classid = 'pg_rewrite'::regclass and r.oid = d.objid
  join pg_class v on v.oid = r.ev_class
  where d.refclassid = 'pg_class'::regclass and d.refobjid in (select oid from log)
    and (v.relkind <> 'v' or r.rulename <> '_RETURN')
  union all
  select format('the trigger %s of %s', t.tgname, log.relname) from pg_trigger t join log on log.oid = t.tgrelid
  where not t.tgisinternal and (t.tgtype & 1) = 1 and (t.tgoldtable is not null or t.tgnewtable is not null)
  union all
  select format('row level security of %s', relname) from log
  where relrowsecurity or exists (select from pg_policy p where p.polrelid = log.oid)
  union all
  select format('the publication %s', p.pubname) from pg_publication_rel r join pg_publication p on p.oid = r.prpubid
  where r.prrelid in (select oid from log)
  union all
  select format('the statistics %s', s.stxname) from pg_statistic_ext s where s.stxrelid in (select oid from log)
  union all
  select format('the replica identity of %s', relname) from log where relreplident <> 'd'
  union all
  select format('the table %s, which inherits', i.inhrelid::regclass) from pg_inherits i
  where i.inhparent in (select oid from log) or i.inhrelid in (select oid from log)
  union all
  select format('the column %s of %s', a.attname, c.oid::regclass)
  from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_type t on t.oid = a.atttypid
  where (t.oid in (select reltype from log) or t.typelem in (select reltype from log)) and c.relkind in ('r', 'p', 'c', 'm', 'v')
    and not a.attisdropped
  union all
  select format('the view %s of %s', v.oid::regclass, pg_get_userbyid(v.relowner))
  from log_views() l join pg_class v on v.oid = l.name::regclass where not pg_has_role(v.relowner, 'usage')
  union all
  select format('the function %s', p.oid::regprocedure) from pg_proc p
  where (p.pronamespace <> current_schema()::regnamespace or not pg_has_role(p.proowner, 'usage')) and exists (select from log
    where log.reltype = any (coalesce(p.proallargtypes, p.proargtypes::oid[]) || p.prorettype))
  order by 1
$$;

-- What a conversion needs and nobody has to wait for.
create function prepare_conversion() returns void language plpgsql as $$
begin
  for n in 0..15 loop
    execute format('create table if not exists known_keys_%s partition of known_keys for values with (modulus 16, remainder %s)', n, n);
  end loop;
end
$$;

-- Puts a partitioned table into the place of a table, which becomes its first partition. Everything on the table goes
-- over: indexes, constraints, triggers, rights, owner, comment.
create function partition_table(whole name, bound uuid) returns void language plpgsql as $$
declare
  past      constant name := whole || '_past';
  was       constant pg_class := (select c from pg_class c where c.oid = whole::regclass);
  indexes   constant jsonb := (
    select jsonb_agg(jsonb_build_object('name', i.relname, 'what', split_part(pg_get_indexdef(i.oid), ' USING ', 2)))
    from pg_index x join pg_class i on i.oid = x.indexrelid where x.indrelid = was.oid and x.indisvalid);
  triggers  constant jsonb := (
    select coalesce(jsonb_agg(jsonb_build_object('name', tgname, 'definition', pg_get_triggerdef(oid), 'enabled', tgenabled)), '[]')
    from pg_trigger where tgrelid = was.oid and not tgisinternal);
  -- A copy of a check would be valid, and that of the first partition is not.
  unproven  constant jsonb := (
    select coalesce(jsonb_agg(jsonb_build_object('name', conname, 'definition', pg_get_constraintdef(oid))), '[]')
    from pg_constraint where conrelid = was.oid and contype = 'c' and not convalidated);
  foreign_keys constant jsonb := (
    select coalesce(jsonb_agg(jsonb_build_object('name', conname, 'definition', pg_get_constraintdef(oid))), '[]')
    from pg_constraint where conrelid = was.oid and contype = 'f'
      and confrelid::regclass::text not in ('image_process_jobs', 'image_process_jobs_past'));
  each      record;
begin
  for each in select e ->> 'name' as name from jsonb_array_elements(triggers) e loop
    execute format('drop trigger %I on %I', each.name, whole);
  end loop;
  execute format('alter table %I rename to %I', whole, past);
  for each in
    select i.relname as name from pg_index x join pg_class i on i.oid = x.indexrelid where x.indrelid = was.oid
  loop
    -- That of the primary key is its constraint, too.
    execute format('alter index %I rename to %I', each.name,
      case when starts_with(each.name, whole || '_') then left(past || substr(each.name, length(whole) + 1), 63)
        else left(each.name, 58) || '_past' end);
  end loop;
  for each in select conname from pg_constraint where conrelid = was.oid and contype = 'f' and conname like whole || '_%' loop
    execute format('alter table %I rename constraint %I to %I', past, each.conname,
      left(past || substr(each.conname, length(whole) + 1), 63));
  end loop;
  execute format('create table %I (like %I including defaults including constraints including indexes including storage
    including compression including comments)
    partition by range (job_id)', whole, past)
    || coalesce((select format(' tablespace %I', spcname) from pg_tablespace where oid = was.reltablespace), '');
  execute format('alter table %I owner to %I', whole, pg_get_userbyid(was.relowner));
  execute format('alter table %I drop constraint %I', whole, whole || '_past_ids');
  for each in select e ->> 'name' as name from jsonb_array_elements(unproven) e loop
    execute format('alter table %I drop constraint %I', whole, each.name);
  end loop;
  for each in
    select e ->> 'name' as name, e ->> 'definition' as definition from jsonb_array_elements(unproven || foreign_keys) e
  loop
    execute format('alter table %I add constraint %I %s', whole, each.name, each.definition);
  end loop;
  -- Copies of indexes get names of their own; made by their text, some would not be recognized as the same.
  for each in
    select n.relname as copy, o.name
    from (
      select i.relname, split_part(pg_get_indexdef(i.oid), ' USING ', 2) as what,
        row_number() over (partition by split_part(pg_get_indexdef(i.oid), ' USING ', 2) order by i.oid) as place
      from pg_index x join pg_class i on i.oid = x.indexrelid where x.indrelid = whole::regclass
    ) n join (
      select e ->> 'name' as name, e ->> 'what' as what,
        row_number() over (partition by e ->> 'what' order by e ->> 'name') as place
      from jsonb_array_elements(indexes) e
    ) o using (what, place)
    where n.relname <> o.name
  loop
    execute format('alter index %I rename to %I', each.copy, each.name);
  end loop;
  -- The check that all ids are below the bound has been made before: nothing is read here.
  execute format('alter table %I attach partition %I for values from (minvalue) to (%L)', whole, past, bound);
  execute format('alter table %I drop constraint %I', past, whole || '_past_ids');
  for each in
    select e ->> 'name' as name, e ->> 'definition' as definition, e ->> 'enabled' as enabled from jsonb_array_elements(triggers) e
  loop
    execute each.definition;
    if each.enabled <> 'O' then
      execute format('alter table %I %s trigger %I', whole,
        case each.enabled when 'D' then 'disable' when 'A' then 'enable always' else 'enable replica' end, each.name);
    end if;
  end loop;
  perform copy_rights(was.oid, whole::regclass);
  if obj_description(was.oid, 'pg_class') is not null then
    execute format('comment on table %I is %L', whole, obj_description(was.oid, 'pg_class'));
  end if;
end
$$;

-- Gives everybody the rights to one table that they have to another, of one owner.
create function copy_rights("from" regclass, "to" regclass) returns void language plpgsql as $$
declare
  each record;
begin
  for each in
    select a.privilege_type as privilege, a.grantee, a.is_grantable, null as "column"
    from pg_class c, aclexplode(c.relacl) a where c.oid = "from" and a.grantee <> c.relowner
    union all
    select a.privilege_type, a.grantee, a.is_grantable, t.attname
    from pg_attribute t, aclexplode(t.attacl) a where t.attrelid = "from" and t.attnum > 0 and not t.attisdropped
  loop
    execute format('grant %s%s on %s to %s%s', each.privilege, coalesce(' (' || quote_ident(each."column") || ')', ''), "to",
      case each.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(each.grantee)) end,
      case when each.is_grantable then ' with grant option' else '' end);
  end loop;
end
$$;

-- Functions that speak of the log, as statements that make them anew with their rights: the type of a row is another one
-- afterwards, and sessions have plans of functions that use it.
create function log_functions() returns table (id oid, signature text, takes_row boolean, definition text, rights text)
  language sql stable as $$
  select p.oid, p.oid::regprocedure::text, log.reltype = any (coalesce(p.proallargtypes, p.proargtypes::oid[]) || p.prorettype),
    pg_get_functiondef(p.oid),
    format('alter function %s owner to %I', p.oid::regprocedure, pg_get_userbyid(p.proowner))
      || case when p.proacl is null then '' else format('; revoke all on function %s from public', p.oid::regprocedure)
        || coalesce((select string_agg(format('; grant execute on function %s to %s', p.oid::regprocedure,
            case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end), '')
          from aclexplode(p.proacl) a where a.grantee <> p.proowner), '') end
  from pg_proc p join pg_class log on log.oid = 'image_process_jobs'::regclass
  where p.pronamespace = current_schema()::regnamespace and p.prokind in ('f', 'p') and pg_has_role(p.proowner, 'usage')
    and (p.prosrc ~ 'image_process_jobs|image_tags'
      or log.reltype = any (coalesce(p.proallargtypes, p.proargtypes::oid[]) || p.prorettype))
$$;

-- The moment of the conversion: the caller holds the locks, and has checked that all ids are below the bound.
create function convert_log(bound uuid) returns void language plpgsql
  set check_function_bodies = off -- they call each other
as $$
declare
  functions constant jsonb := (select jsonb_agg(to_jsonb(f)) from log_functions() f);
  views     constant jsonb := (select coalesce(jsonb_agg(v.definition), '[]') from log_views() v);
  each      record;
begin
  for each in
    select conrelid::regclass as "table", conname from pg_constraint
    where contype = 'f' and confrelid = 'image_process_jobs'::regclass and conrelid <> 'image_tags'::regclass
  loop
    execute format('alter table %s drop constraint %I', each."table", each.conname);
  end loop;
  perform partition_table('image_process_jobs', bound);
  perform partition_table('image_tags', bound);
  for each in select * from jsonb_to_recordset(functions) as f (signature text, takes_row boolean, id oid) where takes_row loop
    execute format('drop function %s', each.id::regprocedure);
  end loop;
  for each in select * from jsonb_to_recordset(functions) as f (definition text, rights text) loop
    execute each.definition;
    execute each.rights;
  end loop;
  for each in select d.value #>> '{}' as definition from jsonb_array_elements(views) d loop
    execute each.definition;
  end loop;
  create trigger note_keys_of_new after insert on image_process_jobs referencing new table as after_it
    for each statement execute function note_known_keys();
  create trigger note_keys_of_changed after update on image_process_jobs
    referencing old table as before_it new table as after_it for each statement execute function note_changed_keys();
  create trigger forget_keys_of_gone after delete on image_process_jobs referencing old table as gone
    for each statement execute function forget_keys_of_gone();
  insert into log_conversion (past_to, keys_to) values (bound, '00000000-0000-0000-0000-000000000000');
end
$$;
