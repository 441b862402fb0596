-- The log in months: `rmbg migrate --partition` turns image_process_jobs and image_tags into tables that are partitioned
-- by job_id, which begins with the time (UUIDv7). A log that nobody converts stays one table, and none of this is at work.

-- The least job id of a moment.
create function uuid7_floor(at timestamptz) returns uuid language sql immutable parallel safe as $$
  select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '70008000000000000000')::uuid
$$;

-- The first moment of the month of a moment, in UTC, and that of a month so many months later.
create function utc_month(at timestamptz, later integer default 0) returns timestamptz
  language sql immutable parallel safe as $$
  select (date_trunc('month', at at time zone 'UTC') + later * interval '1 month') at time zone 'UTC'
$$;

-- The partitions of the log, oldest first; none while it is one table.
-- suffix: of the names image_process_jobs_<suffix> and image_tags_<suffix>; from_id: null for what is before everything
create function log_partitions() returns table (suffix text, from_id uuid, to_id uuid) language sql stable as $$
  select substr(c.relname, length('image_process_jobs_') + 1),
    (regexp_match(b.bound, 'FROM \(''([0-9a-f-]{36})''\)'))[1]::uuid,
    (regexp_match(b.bound, 'TO \(''([0-9a-f-]{36})''\)'))[1]::uuid
  from pg_inherits i join pg_class c on c.oid = i.inhrelid
  cross join lateral (select pg_get_expr(c.relpartbound, c.oid) as bound) b
  where i.inhparent = 'image_process_jobs'::regclass and c.relispartition
  order by 3
$$;

create function log_is_partitioned() returns boolean language sql stable as $$
  select relkind = 'p' from pg_class where oid = 'image_process_jobs'::regclass
$$;

-- A partition that is like one of the others: also where a like clause takes nothing along.
create function make_log_partition(parent name, partition name, sibling regclass) returns void language plpgsql as $$
declare
  each record;
begin
  -- Beside the parent, and attached later: CREATE TABLE … PARTITION OF would keep everybody away from it.
  execute format('create table %I (like %I including all)', partition, parent)
    || coalesce((select format(' tablespace %I', t.spcname) from pg_class c join pg_tablespace t on t.oid = c.reltablespace
      where c.oid = sibling), '');
  for each in select unnest(reloptions) as option from pg_class where oid = sibling loop
    execute format('alter table %I set (%s)', partition, each.option);
  end loop;
  for each in
    select attname, attstattarget from pg_attribute where attrelid = sibling and attnum > 0 and attstattarget > 0
  loop
    execute format('alter table %I alter column %I set statistics %s', partition, each.attname, each.attstattarget);
  end loop;
end
$$;

-- The partition of the month of a moment, of jobs and of tags, unless there is one.
-- Returns its suffix where it was made.
create function make_log_month(at timestamptz) returns text language plpgsql as $$
declare
  first_id constant uuid := uuid7_floor(utc_month(at));
  next_id  constant uuid := uuid7_floor(utc_month(at, 1));
  month    constant text := to_char(at at time zone 'UTC', 'YYYY_MM');
  sibling  text;
begin
  -- Whoever comes second finds what the first has made.
  perform pg_advisory_xact_lock(7262671410);
  if exists (select from log_partitions() p where coalesce(p.from_id <= first_id, true) and first_id < p.to_id) then
    return null;
  end if;
  select suffix into sibling from log_partitions() order by to_id desc limit 1;
  perform make_log_partition('image_process_jobs', 'image_process_jobs_' || month, to_regclass('image_process_jobs_' || sibling));
  perform make_log_partition('image_tags', 'image_tags_' || month, to_regclass('image_tags_' || sibling));
  -- From month to month: a foreign key of the whole would be checked against all tags when a month is detached.
  if exists (select from pg_constraint where contype = 'f' and conrelid = to_regclass('image_tags_' || sibling)
    and confrelid = to_regclass('image_process_jobs_' || sibling)) then
    execute format('alter table image_tags_%1$s add constraint image_tags_%1$s_job_id_fkey foreign key (job_id)
      references image_process_jobs_%1$s (job_id) on delete cascade', month);
  end if;
  execute format('alter table image_process_jobs attach partition image_process_jobs_%s for values from (%L) to (%L)',
    month, first_id, next_id);
  execute format('alter table image_tags attach partition image_tags_%s for values from (%L) to (%L)',
    month, first_id, next_id);
  return month;
end
$$;

-- Makes room for the jobs of this month and of so many after it, by the clock of the database; nothing while the log is
-- one table. Returns the months that were made.
create function ensure_partitions(months integer) returns setof text language plpgsql as $$
declare
  last_id constant uuid := uuid7_floor(utc_month(now(), months));
begin
  if not log_is_partitioned() then
    return;
  end if;
  -- What is nearly always so is told without a lock.
  if (select count(*) from log_partitions() p where p.to_id > uuid7_floor(now()) and coalesce(p.from_id <= last_id, true))
    > months then
    return;
  end if;
  return query
  select made.month from (select make_log_month(utc_month(now(), n)) as month from generate_series(0, months) n) made
  where made.month is not null;
end
$$;

-- The same for jobs that have an id already, whatever clock it was made by.
create function make_room_for(jobs jsonb) returns void language plpgsql as $$
begin
  if not log_is_partitioned() then
    -- Of a conversion that was given up, and whose month is over.
    alter table image_process_jobs drop constraint if exists image_process_jobs_past_ids;
    alter table image_tags drop constraint if exists image_tags_past_ids;
  else
    perform make_log_month(to_timestamp(m.milliseconds / 1000.0)) from (
      select distinct ('x' || substr(replace(id, '-', ''), 1, 12))::bit(48)::bigint as milliseconds
      from jsonb_array_elements_text(jobs) id
    ) m;
  end if;
end
$$;

-- What short keys the rows of a log in months have, so that a look-up by content, cut-out, mask or file goes to one place
-- instead of every month. Without any part while the log is one table, whose indexes serve these look-ups.
create table known_keys (
  key    bigint not null, -- what it is of, in the first byte, and the key of seven bytes
  job_id uuid not null,   -- it may be gone: whoever looks up asks the log then
  primary key (key, job_id)
) partition by hash (key);

-- of: 1 content, 2 cut-out, 3 mask, 4 file
create function known_key("of" integer, seven bytea) returns bigint language sql immutable parallel safe as $$
  select ('x' || lpad(to_hex("of"), 2, '0') || rpad(encode(substr(seven, 1, 7), 'hex'), 14, '0'))::bit(64)::bigint
$$;

create function keys_of(content bytea, cutout bytea, mask bytea, path text) returns setof bigint
  language sql immutable parallel safe as $$
  select k from unnest(array[known_key(1, content), known_key(2, cutout), known_key(3, mask),
    known_key(4, source_key(path))]) k where k is not null
$$;

create function note_known_keys() returns trigger language plpgsql as $$
begin
  insert into known_keys (key, job_id)
  select k, a.job_id from after_it a, keys_of(a.content_sha256, a.processed_sha256, a.mask_sha256, a.source_path) k
  on conflict do nothing;
  return null;
end
$$;
create function note_changed_keys() returns trigger language plpgsql as $$
begin
  -- What was is left: a key is only a hint.
  insert into known_keys (key, job_id)
  select k, a.job_id from after_it a join before_it b on b.job_id = a.job_id
  cross join lateral (
    select keys_of(a.content_sha256, a.processed_sha256, a.mask_sha256, a.source_path)
    except select keys_of(b.content_sha256, b.processed_sha256, b.mask_sha256, b.source_path)
  ) n (k)
  on conflict do nothing;
  return null;
end
$$;
create function forget_keys_of_gone() returns trigger language plpgsql as $$
begin
  delete from known_keys k using gone g, keys_of(g.content_sha256, g.processed_sha256, g.mask_sha256, g.source_path) gone_key
  where k.key = gone_key and k.job_id = g.job_id;
  delete from known_sources s using gone g where s.job_id = g.job_id;
  delete from verdicts v using gone g where v.job_id = g.job_id;
  delete from job_verdicts v using gone g where v.job_id = g.job_id;
  delete from job_versions v using gone g where v.job_id = g.job_id;
  return null;
end
$$;

-- How far a conversion has come; no row before the first.
create table log_conversion (
  is_only      boolean primary key default true check (is_only),
  converted_at timestamptz not null default now(),
  past_to      uuid not null,  -- ids below are in the partition that was the table
  keys_to      uuid,           -- of the jobs up to here, keys are known; null: of all
  keys_in_use  boolean not null default false
);

-- Months that a prune has taken out of the log. Their tables are the list of what is still to be removed from the store.
create table gone_months (
  gone_id     bigint generated always as identity primary key,
  jobs        name not null,          -- the table of their jobs
  from_id     uuid,
  to_id       uuid not null,
  rows        double precision not null, -- as it was told
  bytes       bigint not null,        -- of what is still to be removed
  -- Objects of jobs up to here are removed.
  done_to     uuid,
  done_rows   double precision not null default 0,
  -- Its bytes are taken from the statistics, and originals that others share are counted for those.
  is_settled  boolean not null default false,
  retired_at  timestamptz not null default now()
);
