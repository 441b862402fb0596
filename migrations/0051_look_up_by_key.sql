-- Look-ups in the log by keys of one column, each a statement of its own that goes by an index whatever the log was when
-- it was planned: plans are kept for a session, which may begin with an empty log and fill it. And what a caller asks
-- besides is no part of it: in a log without statistics the planner takes one completed job for all there are, and walked
-- the index of all completed jobs for each file.
do $do$
declare
  -- As 0043 has it, with the indexes of today.
  use_known_keys constant text := replace(replace(replace(pg_get_functiondef('use_known_keys()'::regprocedure),
    '_content_month_idx', '_content_key_idx'), '_cutout_month_idx', '_cutout_key_idx'), '_mask_month_idx', '_mask_key_idx');
  each record;
begin
  execute use_known_keys;
  if exists (select from log_conversion where keys_in_use) then
    -- Look-ups go to known_keys, and no index on the log is kept for them.
    drop index image_process_jobs_content_key_idx, image_process_jobs_cutout_key_idx, image_process_jobs_mask_key_idx;
    return;
  end if;
  for each in
    select * from (values
      ('jobs_of_content', 'content', 'content_sha256'),
      ('jobs_of_cutout', 'digest', 'processed_sha256'),
      ('jobs_of_mask', 'digest', 'mask_sha256')
    ) f (name, argument, "column")
  loop
    execute format($sql$
      create or replace function %1$I(%2$I bytea) returns setof image_process_jobs language plpgsql stable rows 2
        set enable_seqscan = off
      as $$
      begin
        return query select j.* from image_process_jobs j
          where month_key(j.created_at, j.%3$I) = any (month_keys($1)) and j.%3$I = $1;
      end
      $$
    $sql$, each.name, each.argument, each."column");
  end loop;
  -- For functions that go by an index themselves: a part of their statements, because they ask for many files.
  create or replace function jobs_of_source(path text) returns setof image_process_jobs language sql stable as $$
    select * from image_process_jobs j where source_key(j.source_path) = source_key(path) and j.source_path = path
    offset 0
  $$;
end
$do$;
drop function log_months();

-- Completed jobs of a file, judged by path, size and time: those that were made of it, and those whose content was found
-- to be the same. For functions that go by an index, as jobs_of_source().
create function completed_of_source(path text, size bigint, mtime bigint, parameters bytea)
  returns setof image_process_jobs language sql stable as $$
  select s.* from jobs_of_source(path) s
  where s.fingerprint = parameters and s.source_size = size and s.source_mtime_ns = mtime and s.status = 'completed'
  union all
  select j.* from known_sources k
  cross join lateral (select * from image_process_jobs l where l.job_id = k.job_id offset 0) j
  where k.path_md5 = md5(path)::uuid and k.fingerprint = parameters and k.source_size = size
    and k.source_mtime_ns = mtime and j.status = 'completed'
$$;

-- The same of some files.
-- wanted: an array of path, size, mtime; kinds: what has to be kept
-- place: in the array, from 1
create function completed_of_sources(wanted jsonb, parameters bytea, kinds text[])
  returns table (place integer, job image_process_jobs) language plpgsql stable
  set enable_seqscan = off
as $$
#variable_conflict use_column
begin
  return query
  select w.ordinality::integer, c
  from rows from (jsonb_to_recordset(wanted) as (path text, size bigint, mtime bigint)) with ordinality w
  cross join lateral completed_of_source(w.path, w.size, w.mtime, parameters) c
  where c.kept @> kinds;
end
$$;
