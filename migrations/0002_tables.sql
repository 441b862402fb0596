-- The five tables of the design: names, columns and types are fixed.

create table users (
  user_id    varchar(64) primary key,
  username   varchar(128) not null,
  email      varchar(256) unique,
  created_at timestamptz default now(),
  last_login timestamptz
);

create table image_process_jobs (
  job_id             uuid primary key,
  user_id            varchar(64) not null,
  original_path      varchar(512) not null,
  mask_path          varchar(512),
  processed_path     varchar(512),
  status             varchar(32) not null check (status in ('pending', 'processing', 'completed', 'failed')),
  created_at         timestamptz default now(),
  completed_at       timestamptz,
  processing_time_ms integer,
  image_width        integer,
  image_height       integer,
  file_size_kb       integer,
  params             jsonb,
  error_message      text
);

create table tags (
  tag_id serial primary key,
  name   varchar(64) unique not null
);

create table image_tags (
  job_id uuid not null references image_process_jobs (job_id),
  tag_id integer not null references tags (tag_id),
  primary key (job_id, tag_id)
);

create table processing_stats (
  stat_date              date primary key,
  total_jobs             integer default 0,
  completed_jobs         integer default 0,
  avg_processing_time_ms numeric(10, 2),
  error_rate             numeric(5, 2)
);
