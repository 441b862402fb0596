-- Months of the log, counted in UTC. Digests are random: an index over them alone is changed at random places, and after a
-- checkpoint each page that changes is written to the WAL as a whole. With the month before the digest, new jobs change
-- the pages of one month; who looks for a digest asks each month. It calls nothing of ours: an index is restored with
-- nothing on the search_path.
create function log_month(at timestamptz) returns integer language sql immutable parallel safe as $$
  select (extract(year from at at time zone 'UTC') * 12 + extract(month from at at time zone 'UTC'))::integer
$$;

-- Those from the oldest job in the log to the newest.
create function log_months() returns integer[] language plpgsql stable as $$
begin -- not in SQL: each image asks, and this keeps its plan
  return array(select generate_series(log_month((select min(created_at) from image_process_jobs)),
    log_month((select max(created_at) from image_process_jobs))));
end
$$;
