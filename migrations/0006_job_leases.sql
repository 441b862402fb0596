-- Who works on a job right now. Apart from the job: heartbeats would rewrite a wide row in many indexes.
create table job_leases (
  job_id      uuid primary key references image_process_jobs (job_id) on delete cascade,
  run_id      uuid not null,
  claim_id    uuid not null, -- tells a claim whose acknowledgement was lost from somebody else's
  owner       text not null,
  lease_until timestamptz not null
);
create index job_leases_run_id_idx on job_leases (run_id);

-- Files whose content was found completed under another path or time: known without being read from then on.
create table known_sources (
  path_md5        uuid not null,      -- md5 of the path; a path may be longer than an index entry
  fingerprint     bytea not null,
  source_size     bigint not null,
  source_mtime_ns bigint not null,
  job_id          uuid not null references image_process_jobs (job_id) on delete cascade,
  primary key (path_md5, fingerprint)
);
create index known_sources_job_id_idx on known_sources (job_id);
