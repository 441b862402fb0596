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

-- What a role needs of it: a writer puts shards into the queue and takes them out, a reader looks on. One statement a row.
create function fleet_grants_for(role_name name, writes boolean) returns setof text language sql stable as $$
  select format('grant select on table %I.%I to %I', current_schema(), t, role_name)
  from unnest('{campaigns,campaign_progress,campaign_failures}'::text[]) t
  union all
  select format(s, current_schema(), role_name)
  from unnest(array[
    'grant insert, update on table %I.campaigns to %I',
    'grant insert, update, delete on table %I.campaign_progress to %I',
    'grant insert, update, delete on table %I.campaign_failures to %I'
  ]) s where writes
  union all
  select format(s, case when writes then 'select, insert, update, delete' else 'select' end, role_name)
  from unnest(array[
    'grant usage on schema pgboss to %2$I',
    'grant %1$s on all tables in schema pgboss to %2$I'
  ]) s where to_regnamespace('pgboss') is not null
$$;

-- Beside what it gives already.
do $$
begin
  execute regexp_replace(pg_get_functiondef('grants_for(name,boolean)'::regprocedure), '\s*\$function\$\s*$',
    E'\n  union all\n  select fleet_grants_for(role_name, writes)\n$function$');
end
$$;
