-- A prune by age alone takes whole months out of a log in months: see src/database/gone-months.ts.

-- What a prune has to know of a month, from the ends of its indexes.
-- from_id, to_id: of the month, as log_partitions() has it
-- exactly: every row is counted
-- rows: an estimate above 100,000 otherwise; staying: failed jobs that the policy leaves, or that a run has taken up
-- open: jobs with ids of the month that have not ended, in the log or not
-- is_due: the month is over, and no completed job in it is too young
-- completed_before: of the policy; failed_before: the same, null where failed jobs stay
create function month_figures(month text, from_id uuid, to_id uuid, completed_before timestamptz, failed_before timestamptz,
    exactly boolean)
  returns table (is_due boolean, rows double precision, is_estimate boolean, failed double precision,
    staying double precision, open double precision, oldest timestamptz, newest timestamptz)
  language plpgsql stable as $$
#variable_conflict use_column
declare
  jobs     constant name := 'image_process_jobs_' || month;
  estimate constant double precision := (
    select greatest(reltuples, 0) / greatest(relpages, 1) * pg_relation_size(oid) / current_setting('block_size')::integer
    from pg_class where oid = jobs::regclass);
begin
  is_due := false;
  if to_id > uuid7_floor(completed_before) then
    return next;
    return;
  end if;
  execute format('select not exists (select from %I where status = ''completed'' and completed_at >= $1)', jobs)
    into is_due using completed_before;
  if is_due then
    execute format('select count(*) from (select from %I limit $1) j', jobs) into rows
      using case when not exactly then 100001 end;
    is_estimate := rows > 100000 and not exactly;
    if is_estimate then
      rows := greatest(round(estimate), rows);
    end if;
    execute format('select count(*), count(*) filter (where $1 is null or created_at >= $1
        or exists (select from open_jobs o where o.job_id = j.job_id)) from %I j where status = ''failed''', jobs)
      into failed, staying using failed_before;
    select count(*) into open from open_jobs o
    where (month_figures.from_id is null or o.job_id >= month_figures.from_id) and o.job_id < month_figures.to_id;
    execute format('select min(created_at), max(created_at) from %I', jobs) into oldest, newest;
  end if;
  return next;
end
$$;

-- The day of an id, in UTC.
create function uuid7_day(id uuid) returns date language sql immutable parallel safe
  returns null on null input as $$
  select (to_timestamp(('x' || substr(replace(id::text, '-', ''), 1, 12))::bit(48)::bigint / 1000.0) at time zone 'UTC')::date
$$;

-- Bytes that the jobs of a month take in the store, by the rollup.
create function month_bytes(from_id uuid, to_id uuid) returns bigint language sql stable as $$
  select coalesce(sum(u.original_bytes + u.mask_bytes + u.processed_bytes), 0)::bigint from (
    select stat_date, original_bytes, mask_bytes, processed_bytes from daily_usage where dimension = 'all'
    union all
    select stat_date, original_bytes, mask_bytes, processed_bytes from usage_changes where dimension = 'all'
  ) u where u.stat_date >= coalesce(uuid7_day(from_id), '-infinity') and u.stat_date < uuid7_day(to_id)
$$;

-- Takes a month out of the log, in one transaction: all of its jobs are due, but failed ones that the policy leaves, and
-- those get a table in its place. Nobody waits for longer than the transaction lasts; who is at work on the month is
-- waited for as long as lock_timeout says.
-- most: jobs to delete; null where it was estimated how many there are
-- Returns the id in gone_months; null, with nothing done, when the month is not due any more.
create function retire_month(month text, completed_before timestamptz, failed_before timestamptz, most double precision)
  returns bigint language plpgsql as $$
declare
  jobs     constant name := 'image_process_jobs_' || month;
  tags     constant name := 'image_tags_' || month;
  new_jobs constant name := jobs || '_new';
  new_tags constant name := tags || '_new';
  place    record;
  figures  record;
  stored   bigint;
  gone     bigint := nextval(pg_get_serial_sequence('gone_months', 'gone_id'));
  gone_jobs constant name := 'gone_jobs_' || gone;
begin
  if to_regclass(jobs) is null then
    return null;
  end if;
  -- Its rows stay as they are from here on. They can still be read.
  execute format('lock table %I, %I in share row exclusive mode', jobs, tags);
  select * into place from log_partitions() p where p.suffix = month;
  if not found then
    return null;
  end if;
  select * into figures
  from month_figures(month, place.from_id, place.to_id, completed_before, failed_before, false);
  if not figures.is_due or figures.rows - figures.staying > most then
    return null;
  end if;
  stored := month_bytes(place.from_id, place.to_id);
  if figures.staying + figures.open > 0 then
    perform make_log_partition('image_process_jobs', new_jobs, jobs::regclass);
    perform make_log_partition('image_tags', new_tags, tags::regclass);
    execute format('insert into %I select * from %I j where status = ''failed'' and ($1 is null or created_at >= $1
      or exists (select from open_jobs o where o.job_id = j.job_id))', new_jobs, jobs) using failed_before;
    execute format('insert into %I select * from %I t where exists (select from %I j where j.job_id = t.job_id)
      or exists (select from open_jobs o where o.job_id = t.job_id)', new_tags, tags, new_jobs);
    if exists (select from pg_constraint where contype = 'f' and conrelid = tags::regclass and confrelid = jobs::regclass) then
      execute format('alter table %I add constraint %I foreign key (job_id) references %I (job_id) on delete cascade',
        new_tags, new_tags || '_job_id_fkey', new_jobs);
    end if;
  end if;
  lock table image_process_jobs, image_tags in access exclusive mode;
  execute format('alter table image_tags detach partition %I', tags);
  execute format('drop table %I', tags);
  execute format('alter table image_process_jobs detach partition %I', jobs);
  execute format('alter table %I rename to %I', jobs, gone_jobs);
  execute format('alter index %I rename to %I', jobs || '_pkey', gone_jobs || '_pkey');
  if figures.staying + figures.open > 0 then
    execute format('delete from %I g using %I n where n.job_id = g.job_id', gone_jobs, new_jobs);
    execute format('alter table %I rename to %I', new_jobs, jobs);
    execute format('alter table %I rename to %I', new_tags, tags);
    execute format('alter index %I rename to %I', new_jobs || '_pkey', jobs || '_pkey');
    execute format('alter table image_process_jobs attach partition %I for values from (%s) to (%L)', jobs,
      coalesce(quote_literal(place.from_id), 'minvalue'), place.to_id);
    execute format('alter table image_tags attach partition %I for values from (%s) to (%L)', tags,
      coalesce(quote_literal(place.from_id), 'minvalue'), place.to_id);
  end if;
  insert into gone_months (gone_id, jobs, from_id, to_id, rows, bytes) overriding system value
  values (gone, gone_jobs, place.from_id, place.to_id, figures.rows - figures.staying, stored);
  return gone;
end
$$;

-- Takes the bytes of a gone month from the statistics; what was done stays done. Its days as the rollup has them, without
-- the jobs of these days that are still there: whatever the number of rows, a few look-ups. Then, of each original that
-- only jobs in the log name any more, one of them counts it.
create function settle_gone_month(gone bigint) returns void language plpgsql as $$
declare
  month     gone_months;
  first_day date;
  end_day   date;
  each      record;
begin
  select * into month from gone_months where gone_id = gone and not is_settled for update;
  if not found then
    return;
  end if;
  first_day := coalesce(uuid7_day(month.from_id), '-infinity');
  end_day := uuid7_day(month.to_id);
  execute format($sql$
    insert into usage_changes (dimension, stat_date, value, completed_jobs, failed_jobs, review_jobs, timed_jobs,
      sum_processing_time_ms, original_bytes, mask_bytes, processed_bytes)
    select dimension, stat_date, value, 0, 0, 0, 0, 0, sum(-original), sum(-mask), sum(-processed) from (
      select dimension, stat_date, value, original_bytes as original, mask_bytes as mask, processed_bytes as processed
      from daily_usage where dimension in ('all', 'user', 'model') and stat_date >= $1 and stat_date < $2
      union all
      select dimension, stat_date, value, original_bytes, mask_bytes, processed_bytes
      from usage_changes where dimension in ('all', 'user', 'model') and stat_date >= $1 and stat_date < $2
      union all
      select u.dimension, u.stat_date, u.value, -u.original_bytes, -u.mask_bytes, -u.processed_bytes
      from image_process_jobs j, usage_of(j) u
      where j.created_at >= $1::timestamp at time zone 'UTC' and j.created_at < $2::timestamp at time zone 'UTC'
        and u.dimension in ('all', 'user', 'model')
      union all
      -- By a clock that was wrong, their ids are of another month than they are.
      select u.dimension, u.stat_date, u.value, u.original_bytes, u.mask_bytes, u.processed_bytes
      from %1$I g, usage_of(row(g.*)::image_process_jobs) u
      where (g.created_at < $1::timestamp at time zone 'UTC' or g.created_at >= $2::timestamp at time zone 'UTC')
        and u.dimension in ('all', 'user', 'model')
    ) b group by 1, 2, 3 having sum(original) <> 0 or sum(mask) <> 0 or sum(processed) <> 0
  $sql$, month.jobs) using first_day, end_day;
  for each in execute format($sql$
    select n.path, n.content from (
      -- What others name under the ids of this month: a range of keys, for a key begins with its day.
      select j.original_path as path, j.content_sha256 as content from image_process_jobs j
      where strpos(j.original_path, j.job_id::text) = 0 and j.status = 'completed' and 'original' = any (j.kept)
        and j.original_path collate "C" >= 'original/' || coalesce(to_char($1, 'YYYY/MM/DD'), '')
        and j.original_path collate "C" < 'original/' || to_char($2, 'YYYY/MM/DD')
      union
      -- What the gone jobs counted under the ids of other months.
      select g.original_path, g.content_sha256 from %I g
      where strpos(g.original_path, g.job_id::text) = 0 and g.status = 'completed' and 'original' = any (g.kept)
        and not g.original_shared
    ) n
    where not exists (
      select from image_process_jobs c where c.job_id = any (jobs_naming(n.path, n.content)) and not c.original_shared)
  $sql$, month.jobs) using nullif(first_day, '-infinity'), end_day loop
    perform pass_original_on(each.path, each.content);
  end loop;
  update gone_months set is_settled = true where gone_id = gone;
end
$$;

-- Jobs of a gone month whose objects are to be removed, in the order of their ids, from where the last page ended.
create function gone_page(gone bigint, most integer)
  returns table (job_id uuid, keys jsonb, shared_key varchar, bytes bigint) language plpgsql stable as $$
#variable_conflict use_column
declare
  month gone_months;
begin
  select * into month from gone_months where gone_id = gone;
  if not found then
    return;
  end if;
  return query execute format($sql$
    select g.job_id,
      case when g.status = 'completed' and g.attempt = 1 then to_jsonb(array_remove(array[
        case when 'original' = any (g.kept) then g.original_path end, g.mask_path, g.processed_path], null)) end,
      case when strpos(g.original_path, g.job_id::text) = 0 and 'original' = any (g.kept) then g.original_path end,
      case when 'original' = any (g.kept) and not g.original_shared then coalesce(g.original_bytes, g.source_size, 0) else 0 end
        + case when 'mask' = any (g.kept) then coalesce(g.mask_bytes, 0) else 0 end
        + case when 'processed' = any (g.kept) then coalesce(g.processed_bytes, 0) else 0 end
    from %I g where $1 is null or g.job_id > $1 order by g.job_id limit $2
  $sql$, month.jobs) using month.done_to, most;
end
$$;

-- The objects of the jobs up to this one are gone: their keys go as well, which nobody finds any more.
create function end_gone_page(gone bigint, last uuid, page_rows integer, page_bytes bigint) returns void language plpgsql as $$
declare
  month gone_months;
begin
  select * into month from gone_months where gone_id = gone for update;
  if not found or month.done_to >= last then
    return;
  end if;
  execute format($sql$
    with page as materialized (
      select * from %I where ($1 is null or job_id > $1) and job_id <= $2
    ), sources as (
      delete from known_sources s using page p where s.job_id = p.job_id
    ), verdicts_given as (
      delete from verdicts v using page p where v.job_id = p.job_id
    ), verdicts_standing as (
      delete from job_verdicts v using page p where v.job_id = p.job_id
    ), versions as (
      delete from job_versions v using page p where v.job_id = p.job_id
    )
    delete from known_keys k
    using (select p.job_id, keys_of(p.content_sha256, p.processed_sha256, p.mask_sha256, p.source_path) as key from page p) p
    where k.key = p.key and k.job_id = p.job_id
  $sql$, month.jobs) using month.done_to, last;
  update gone_months set done_to = last, done_rows = least(done_rows + page_rows, rows),
    bytes = greatest(bytes - page_bytes, 0) where gone_id = gone;
end
$$;

-- Nothing of the month is left in the store.
create function drop_gone_month(gone bigint) returns void language plpgsql as $$
declare
  month gone_months;
begin
  select * into month from gone_months where gone_id = gone for update;
  if found then
    execute format('drop table %I', month.jobs);
    delete from gone_months where gone_id = gone;
  end if;
end
$$;

-- Notes the keys of so many jobs of before the conversion. Returns how many there were; 0 at the end.
create function note_keys_of_past(most integer) returns integer language plpgsql
  set work_mem = '64MB'
as $$
declare
  noted integer;
  last  uuid;
begin
  with page as materialized (
    select j.job_id, j.content_sha256, j.processed_sha256, j.mask_sha256, j.source_path
    from log_conversion c, image_process_jobs j
    where j.job_id > c.keys_to and j.job_id < c.past_to order by j.job_id limit most
  ), keys as (
    insert into known_keys (key, job_id)
    -- In their order, so that each page of the index is changed once and not for every key.
    select k, p.job_id from page p
    cross join lateral unnest(array[known_key(1, p.content_sha256), known_key(2, p.processed_sha256),
      known_key(3, p.mask_sha256), known_key(4, source_key(p.source_path))]) k
    where k is not null order by k
    on conflict do nothing
  )
  select count(*), (select p.job_id from page p order by p.job_id desc limit 1) into noted, last from page;
  update log_conversion set keys_to = last;
  return noted;
end
$$;

-- From now on look-ups go to the keys, and the indexes that served them are not kept for months to come.
create function use_known_keys() returns void language plpgsql as $do$
declare
  each record;
begin
  if not exists (select from log_conversion where keys_to is null and not keys_in_use) then
    return;
  end if;
  for each in
    select * from (values
      ('jobs_of_content', 'content bytea', 'known_key(1, $1)', 'j.content_sha256'),
      ('jobs_of_cutout', 'digest bytea', 'known_key(2, $1)', 'j.processed_sha256'),
      ('jobs_of_mask', 'digest bytea', 'known_key(3, $1)', 'j.mask_sha256'),
      ('jobs_of_source', 'path text', 'known_key(4, source_key($1))', 'j.source_path')
    ) f (name, argument, key, "column")
  loop
    -- The jobs are looked up by a statement of its own, planned anew: it opens their months and no others.
    execute format($sql$
      create or replace function %I(%s) returns setof image_process_jobs language plpgsql stable rows 2 as $$
      #variable_conflict use_column
      declare
        found_ids constant uuid[] := array(select k.job_id from known_keys k where k.key = %s);
      begin
        if cardinality(found_ids) > 0 then
          return query execute 'select j.* from image_process_jobs j where j.job_id = any ($2) and %s = $1'
            using $1, found_ids;
        end if;
      end
      $$
    $sql$, each.name, each.argument, each.key, each."column");
  end loop;
  drop index if exists image_process_jobs_content_month_idx, image_process_jobs_cutout_month_idx,
    image_process_jobs_mask_month_idx, image_process_jobs_source_key_idx;
  update log_conversion set keys_in_use = true;
end
$do$;
