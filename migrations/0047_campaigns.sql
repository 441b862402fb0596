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
