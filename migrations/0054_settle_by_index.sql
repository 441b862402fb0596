-- As 0043 has it, but the index of what jobs name under the ids of others can serve it again: since 0044 its rows are no
-- originals that are referenced where they lie. Without it the whole log was read for each month that went.
do $do$
declare
  was    constant text := pg_get_functiondef('settle_gone_month(bigint)'::regprocedure);
  body   constant text := replace(was, 'strpos(j.original_path, j.job_id::text) = 0 and ',
    'strpos(j.original_path, j.job_id::text) = 0 and strpos(j.original_path, ''s3://'') <> 1 and ');
begin
  assert body <> was;
  execute body;
end
$do$;
