-- The month of a job and the beginning of a digest in one number. As two columns of an index they could be used apart: in
-- a log without statistics, as a new one is, the planner took any index of the months, and read all jobs of them for each
-- image. It calls nothing of ours: an index is restored with nothing on the search_path.
create function month_key(at timestamptz, digest bytea) returns bigint language sql immutable parallel safe as $$
  select (extract(year from at at time zone 'UTC') * 12 + extract(month from at at time zone 'UTC'))::bigint << 40
    | ('x' || encode(substr(digest, 1, 5), 'hex'))::bit(40)::bigint
$$;

-- Where a digest can be found: a key for each month from the oldest job in the log to the newest.
create function month_keys(digest bytea) returns bigint[] language plpgsql stable
  set enable_seqscan = off -- plans are kept for a session, which may begin with an empty log and fill it
as $$
declare
  -- By variables: a function of a subquery is no part of the statement around it, but planned for each call.
  oldest constant timestamptz := (select min(created_at) from image_process_jobs);
  newest constant timestamptz := (select max(created_at) from image_process_jobs);
begin
  return array(select month_key(oldest, digest) + (months::bigint << 40)
    from generate_series(0, log_month(newest) - log_month(oldest)) months);
end
$$;
