-- Work that many machines share. The queue itself, pg-boss's, is in a schema of its own: here is what was asked for, how
-- far the listing of the inputs has come, and what became of the images.

create table campaigns (
  campaign_id uuid primary key,
  name        text not null unique check (length(name) between 1 and 100),
  user_id     varchar(64) collate "C" not null,
  -- As of the jobs that it makes.
  params      jsonb not null,
  fingerprint bytea not null check (length(fingerprint) = 32),
  settings    jsonb not null, -- what a worker needs besides its own machine's
  inputs      jsonb not null, -- as they were given
  shard_size  integer not null check (shard_size > 0),
  priority    integer not null default 0,
  state       text not null default 'running' check (state in ('running', 'paused', 'cancelled')),
  shards      bigint not null default 0,
  images      bigint not null default 0,
  -- Up to where the inputs are in the queue; written in the transaction that adds the shards.
  cursors     jsonb not null default '{}',
  written_at  timestamptz not null default now(),
  listed_at   timestamptz, -- all inputs are in the queue
  ended_at    timestamptz, -- nothing is left in the queue, or it was cancelled
  created_at  timestamptz not null default now()
);
create index campaigns_open on campaigns (priority desc, created_at) where ended_at is null;

-- Added to by each shard that ends, a row for each minute: so the rate can be told, and no row is everybody's.
create table campaign_progress (
  campaign_id uuid not null references campaigns on delete cascade,
  minute      timestamptz not null,
  completed   bigint not null default 0,
  skipped     bigint not null default 0, -- done before, by whomever
  primary key (campaign_id, minute)
);

-- Images that failed by themselves, until they are retried.
create table campaign_failures (
  campaign_id uuid not null references campaigns on delete cascade,
  item_md5    uuid not null,
  item        jsonb not null,
  code        text not null,
  message     text not null,
  failed_at   timestamptz not null default now(),
  primary key (campaign_id, item_md5)
);

-- As before, and what the fleet needs: a writer puts shards into the queue and takes them out, a reader looks on.
create or replace function grants_for(role_name name, writes boolean) returns setof text language sql stable as $$
  select format('grant connect on database %I to %I', current_database(), role_name)
  union all
  select format('grant usage on schema %I to %I', current_schema(), role_name)
  union all
  select format('grant select on table %I.%I to %I', current_schema(), t, role_name)
  from unnest('{image_process_jobs,job_leases,known_sources,users,tags,image_tags,tombstones,backups,usage_changes,
    usage_state,daily_usage,daily_latency,processing_stats,installation,command_locks,schema_migrations,campaigns,campaign_progress,
    campaign_failures}'::text[]) t
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
  from pg_proc p where writes and p.pronamespace = current_schema()::regnamespace and p.proname = any (run_functions())
  union all
  select format(s, case when writes then 'select, insert, update, delete' else 'select' end, role_name)
  from unnest(array[
    'grant usage on schema pgboss to %2$I',
    'grant %1$s on all tables in schema pgboss to %2$I'
  ]) s where to_regnamespace('pgboss') is not null
$$;
