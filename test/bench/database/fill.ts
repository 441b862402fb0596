/** Fills a database with jobs as years of use leave them: few users with most of the work, tags, failures, sizes. */
import type postgres from 'postgres'
import { connectServer } from '../../../src/database/connect.ts'
import { ownTables } from '../../../src/database/indexes.ts'
import { applyMigrations } from '../../../src/database/migrate.ts'

const users = 5000
const days = 365
/** Beside the log. */
export const openJobs = 800

/**
 * The rows are what the program itself leaves: the same columns, parameters and review figures of the same length.
 * Indexes are built after the rows are there, and the rollup is counted once: minutes instead of hours.
 *
 * @param url of an empty database
 */
export async function fill(url: string, rows: number, tell: (what: string) => void): Promise<void> {
  const database = connectServer(url, { maxConnections: 1 })
  const { sql } = database
  try {
    await applyMigrations(database, { onApplied: tell })
    const indexes = await sql<{ name: string; definition: string }[]>`
      select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as definition
      from pg_index where indrelid in ('image_process_jobs'::regclass, 'image_tags'::regclass) and not indisunique`
    for (const { name } of indexes) await sql`drop index ${sql(name)}`
    // Triggers and foreign keys rest: the rows are right as they are made.
    await sql`set session_replication_role = replica`
    await sql`select setseed(0.5)`
    await insertUsers(sql)
    const step = 500_000
    for (let from = 0; from < rows; from += step) {
      await insertJobs(sql, from, Math.min(step, rows - from), { rows, days })
      tell(`${Math.min(from + step, rows)} of ${rows} jobs`)
    }
    await insertTags(sql)
    await insertOpen(sql)
    await insertSources(sql)
    tell('tags, open jobs and known files')
    await sql`set session_replication_role = origin`
    for (const { name, definition } of indexes) {
      await sql.unsafe(definition)
      tell(name)
    }
    await countUsage(sql)
    for (const table of ownTables) await sql`vacuum (analyze) ${sql(table)}`
    tell('vacuum and analyze')
  } finally {
    await database.close()
  }
}

export async function insertUsers(sql: postgres.Sql): Promise<void> {
  await sql`
    insert into users (user_id, username, email, created_at, last_login)
    select 'user-' || n, 'User ' || n, 'user' || n || '@example.com', now() - interval '2 years', now()
    from generate_series(0, ${users - 1}) n`
  await sql`
    insert into tags (name)
    select (array['spring', 'summer', 'autumn', 'winter', 'hero', 'sale', 'shoes', 'bags', 'studio', 'outdoor'])[1 + n % 10]
      || case when n < 10 then '' else '-' || n end
    from generate_series(0, 499) n`
}

/** 96 % completed, the rest failed; the third power of a random number makes the skew. */
export async function insertJobs(
  sql: postgres.Sql,
  from: number,
  count: number,
  { rows, days }: { rows: number; days: number },
): Promise<void> {
  await sql`
    insert into image_process_jobs (job_id, user_id, original_path, mask_path, processed_path, status, created_at,
      completed_at, processing_time_ms, image_width, image_height, file_size_kb, params, error_message, source_path,
      source_size, source_mtime_ns, content_sha256, fingerprint, run_id, started_at, error_code, execution_provider,
      original_bytes, mask_bytes, processed_bytes, mask_sha256, processed_sha256, review, needs_review)
    select id, 'user-' || floor(${users} * r1 * r1 * r1),
      'original/' || to_char(at, 'YYYY/MM/DD/') || id || '-1.jpg',
      case when done then 'mask/' || to_char(at, 'YYYY/MM/DD/') || id || '-1.png' end,
      case when done then 'processed/' || to_char(at, 'YYYY/MM/DD/') || id || '-1.' || format end,
      status, at, case when done then at + ms * interval '1 millisecond' end, case when done then ms end,
      1000 + (r2 * 4000)::int, 800 + (r2 * 3000)::int, kb,
      jsonb_build_object('model', jsonb_build_object('name', model, 'guided', true,
          'sha256', encode(sha256(model::bytea), 'hex'), 'inputSize', '{"width": 1024, "height": 1024}'::jsonb,
          'activation', 'none', 'normalisation', '{"std": [1, 1, 1], "mean": [0.5, 0.5, 0.5]}'::jsonb),
        'format', format, 'refine', true, 'keepHiddenColor', false)
        || case when format = 'webp' then jsonb_build_object('quality', 1 + floor(100 * r1)::int) else '{}' end
        || case when done then '{"provider": "cpu"}'::jsonb else '{}' end,
      case when status = 'failed' then (array['The file is empty.', 'The picture is damaged: premature end of JPEG image.',
        'The image needs more memory than the budget.'])[1 + (n % 3)] end,
      '/data/catalogue/' || (n / 10000) || '/IMG_' || n || case when r2 < 0.01 then '-hero' else '' end || '.jpg',
      kb * 1024, 1700000000000000000 + n, case when status <> 'failed' or n % 3 = 1 then sha256(n::text::bytea) end,
      sha256('parameters'), id, at,
      case when status = 'failed' then (array['INPUT_EMPTY', 'INPUT_CORRUPT', 'MEMORY_BUDGET'])[1 + (n % 3)] end,
      case when done then 'cpu' end, case when done then kb * 1024 end, case when done then kb * 50 end,
      case when done then kb * 900 end, case when done then sha256(n::text::bytea || 'm') end,
      case when done then sha256(n::text::bytea || 'p') end,
      case when done then jsonb_build_object('holes', 0, 'islands', 1, 'touches', '[]'::jsonb,
        'reasons', case when r3 > 0.98 then '["small-subject"]'::jsonb else '[]' end,
        'haloScore', round(r1::numeric, 4), 'softShare', round(r2::numeric, 4), 'expectedIou', round(r3::numeric, 2),
        'subjectArea', round(r2::numeric, 4)) end,
      case when done then r3 > 0.98 end
    from (
      select *, status = 'completed' as done, (200 * exp(2 * r2 * r3 + r1))::int as ms, (50 * exp(6 * r2 * r3))::int as kb,
        case when r2 < 0.05 then 'webp' else 'png' end as format,
        (array['rmbg-2.0', 'silhouette', 'birefnet'])[case when r3 < 0.9 then 1 when r3 < 0.99 then 2 else 3 end] as model,
        (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7' || substr(md5(n::text), 1, 3)
          || '8' || substr(md5(n::text), 4, 15))::uuid as id
      from (
        select n, random() as r1, random() as r2, random() as r3,
          case when random() < 0.96 then 'completed' else 'failed' end as status,
          now() - ${days} * interval '1 day' * (1 - n::float8 / ${rows}) - interval '1 hour' as at
        from generate_series(${from}::int, ${from + count - 1}::int) n offset 0
      ) drawn offset 0
    ) made`
}

/** One and a half tags per job; ten tags have nearly all of them, the rarest a few hundred. */
async function insertTags(sql: postgres.Sql): Promise<void> {
  await sql`
    insert into image_tags (job_id, tag_id)
    select job_id, 1 + floor(500 * power(random(), 5))::int from image_process_jobs where status = 'completed'`
  await sql`
    insert into image_tags (job_id, tag_id)
    select job_id, 1 + floor(500 * power(random(), 5))::int from image_process_jobs
    where status = 'completed' and random() < 0.5
    on conflict do nothing`
}

/** What runs have left that were stopped, and 20 of runs that were killed and not yet followed by another. */
async function insertOpen(sql: postgres.Sql): Promise<void> {
  await sql`
    insert into open_jobs (job_id, work, created_at, started_at, source_size, source_mtime_ns, image_width, image_height,
      file_size_kb, content_sha256, fingerprint, user_id, original_path, source_path, params, run_id, claim_id, owner,
      lease_until)
    select id, work_key(content_sha256, fingerprint), created_at, created_at, source_size, n, image_width, image_height,
      file_size_kb, content_sha256, fingerprint, user_id, 'original/' || id || '-1.jpg', '/data/open/IMG_' || n || '.jpg',
      params, id, case when n <= 20 then id end, case when n <= 20 then 'host/0/0 1 1' end,
      case when n <= 20 then now() - interval '1 hour' end
    from (
      select gen_random_uuid() as id, row_number() over () as n, now() - random() * interval '30 days' as created_at,
        sha256(job_id::text::bytea) as content_sha256, fingerprint, source_size, image_width, image_height, file_size_kb,
        user_id, params
      from (select * from image_process_jobs where content_sha256 is not null limit ${openJobs}) chosen
    ) open`
}

/** One file in twenty has a copy elsewhere, by which the job is known as well. */
async function insertSources(sql: postgres.Sql): Promise<void> {
  await sql`
    insert into known_sources (path_md5, fingerprint, source_size, source_mtime_ns, job_id)
    select md5(source_path || ' copy')::uuid, fingerprint, source_size, source_mtime_ns, job_id
    from image_process_jobs where status = 'completed' and source_mtime_ns % 20 = 0`
}

/** What the jobs would have noted as they ended. */
async function countUsage(sql: postgres.Sql): Promise<void> {
  await sql`
    insert into usage_changes (dimension, stat_date, value, completed_jobs, failed_jobs, review_jobs, timed_jobs,
      sum_processing_time_ms, bucket, original_bytes, mask_bytes, processed_bytes)
    select u.dimension, u.stat_date, u.value, sum(u.completed), sum(u.failed), sum(u.review), sum(u.timed), sum(u.ms),
      u.bucket, sum(u.original_bytes), sum(u.mask_bytes), sum(u.processed_bytes)
    from image_process_jobs j, usage_of(j) u
    group by u.dimension, u.stat_date, u.value, u.bucket`
  await sql`select fold_usage()`
}
