/** What a query costs, as PostgreSQL plans it over 200,000 jobs: an index for every filter, never the whole table. */
import type postgres from 'postgres'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { connectServer, type Database } from '../../src/database/connect.ts'
import type { JobFilter } from '../../src/database/filters.ts'
import { applyMigrations } from '../../src/database/migrate.ts'
import { explainQuery, findJobs, jobVersion, queryJobs } from '../../src/database/query.ts'
import { describeWith, freshDatabase } from '../support/servers.ts'

/**
 * 200,000 jobs of a year: 99 % completed, one user has half of them, few files are large, few need a look. Without the
 * triggers that would count them, which take a minute.
 */
async function fill(sql: postgres.Sql): Promise<void> {
  const connection = await sql.reserve()
  await connection`set session_replication_role = replica`
  await connection`
    insert into image_process_jobs (job_id, user_id, status, created_at, completed_at, original_path, mask_path,
      processed_path, file_size_kb, processing_time_ms, params, source_path, error_code, error_message, needs_review)
    select md5(i::text)::uuid, case when i % 2 = 0 then 'anna' else 'user-' || i % 97 end, s.status, c.created_at,
      case when s.status = 'completed' then c.created_at + interval '2 seconds' end,
      'original/2026/01/01/' || i || '.jpg', 'mask/2026/01/01/' || i || '.png',
      'processed/2026/01/01/' || i || '.png', case when i % 5003 = 0 then 60000 else 100 + i * 37 % 7900 end,
      500 + i % 3000,
      jsonb_build_object('model', jsonb_build_object('name', case when i % 3 = 0 then 'silhouette' else 'rmbg-2.0' end),
        'threshold', case when i % 4001 = 0 then 0.9 else 0 end, 'refine', i % 2 = 0),
      '/catalogue/' || i % 400 || '/' || (array['IMG', 'DSC', 'product', 'hero'])[1 + i % 4] || '_' || i || '.jpg',
      case when s.status = 'failed'
        then case when i % 3 = 0 then 'INPUT_EMPTY' when i % 70000 = 61 then 'STORE_FULL' else 'INPUT_CORRUPT' end end,
      case when s.status = 'failed' then 'The file ' || md5(i::text) || ' ended too early.' end,
      case when s.status = 'completed' then i % 211 = 0 end
    from generate_series(1, 200000) i,
      lateral (select case when i > 199990 then 'processing' when i > 199900 then 'pending'
        when i % 100 = 61 then 'failed' else 'completed' end as status) s,
      lateral (select timestamptz '2026-01-01Z' + i * interval '150 seconds' as created_at) c`
  await connection`
    insert into tags (tag_id, name)
    select i, case i when 1 then 'everything' when 2 then 'wedding' else 'series-' || i end from generate_series(1, 500) i`
  // One tag on a third of all jobs, one on few of them, and many in between.
  await connection`
    insert into image_tags
    select md5(i::text)::uuid, 1 from generate_series(1, 200000) i where i % 3 = 0
    union all select md5(i::text)::uuid, 2 from generate_series(1, 200000) i where i % 6007 = 0
    union all select md5(i::text)::uuid, 3 + i % 498 from generate_series(1, 200000) i where i % 5 = 0`
  await connection`reset session_replication_role`
  connection.release()
  for (const table of ['image_process_jobs', 'image_tags', 'tags']) await sql`vacuum (analyze) ${sql(table)}`
}

const jobs = (index: string) => `image_process_jobs_${index}_idx`
/** From the newest backwards, until the page is full. */
const newest = jobs('(keyset|created_at)')

/** Every query a person can ask for, with the index that has to answer it. */
const queries: [title: string, filter: JobFilter, index: string][] = [
  ['no filter', {}, newest],
  ['--user with half of the jobs', { user: 'anna' }, jobs('(user_)?keyset')],
  ['--user with few', { user: 'user-13' }, jobs('user_keyset')],
  ['--status completed', { statuses: ['completed'] }, newest],
  ['--status failed', { statuses: ['failed'] }, jobs('failed')],
  ['--status pending', { statuses: ['pending'] }, jobs('pending')],
  ['--status processing', { statuses: ['processing'] }, jobs('processing')],
  ['--status pending --status processing', { statuses: ['pending', 'processing'] }, jobs('status')],
  ['--status failed --status completed', { statuses: ['failed', 'completed'] }, newest],
  ['--since', { since: { at: '2026-11-30T00:00:00Z' } }, newest],
  ['--until', { until: { at: '2026-01-03T00:00:00Z' } }, newest],
  ['--tag of few', { tags: ['wedding'] }, 'image_tags_tag_id_job_id_idx'],
  ['--tag of many', { tags: ['everything'] }, 'image_tags_(pkey|tag_id_job_id_idx)'],
  ['--tag twice', { tags: ['everything', 'wedding'] }, 'image_tags_tag_id_job_id_idx'],
  ['--tag-like', { tagLike: 'weding' }, 'image_tags_tag_id_job_id_idx'],
  ['--tag-like of many', { tagLike: 'series' }, 'image_tags_(pkey|tag_id_job_id_idx)'],
  ['--param of few', { params: { threshold: 0.9 } }, jobs('params')],
  ['--param of nobody', { params: { threshold: 0.5 } }, jobs('params')],
  ['--param of many', { params: { refine: true } }, newest],
  ['--larger-than, few', { largerThanKb: 50_000 }, jobs('file_size_kb')],
  ['--larger-than, many', { largerThanKb: 4096 }, newest],
  ['--name, whole', { name: 'IMG_7004.jpg' }, jobs('source_name')],
  ['--name with *', { name: '*_1234?.jpg' }, jobs('source_name')],
  ['--error CODE of many', { error: 'INPUT_EMPTY' }, jobs('(error_code|failed)')],
  ['--error CODE of few', { error: 'STORE_FULL' }, jobs('error_code')],
  ['--error text', { error: 'c4ca4238a0b9' }, jobs('error_message')],
  ['--needs-review', { needsReview: true }, jobs('review')],
  ['--user and --status failed', { user: 'user-13', statuses: ['failed'] }, jobs('(failed|user\\w+)')],
]

describeWith('RMBG_TEST_DATABASE_URL')('over 200,000 jobs', () => {
  let fresh: Awaited<ReturnType<typeof freshDatabase>>
  let database: Database
  beforeAll(async () => {
    fresh = await freshDatabase()
    database = connectServer(fresh.url)
    await applyMigrations(database)
    await fill(database.sql)
  })
  afterAll(async () => {
    await database.close()
    await fresh.drop()
  })

  /** Fails on a plan that reads the whole table, or not the index. */
  const expectPlan = (plan: readonly string[], index: string) => {
    const text = plan.join('\n')
    expect(text, text).not.toMatch(/Seq Scan on (image_process_jobs|image_tags)/)
    expect(text, text).toMatch(new RegExp(`(using|on) ${index}\\b`))
  }

  it.each(queries)('%s is answered by its index', async (_, filter, index) => {
    expectPlan(await explainQuery(database.sql, filter, { limit: 50 }), index)
  })

  it.each(queries)('%s, 1000 jobs at once as --all asks for them, too', async (_, filter) => {
    const plan = await explainQuery(database.sql, filter, { limit: 1000 })
    expectPlan(plan, '\\w+_(idx|pkey)')
  })

  it('a page far behind begins where the index says, and reads no row before it', async () => {
    const { nextCursor } = await queryJobs(database.sql, {}, { limit: 20_000 })
    const plan = (await explainQuery(database.sql, {}, { limit: 50, after: nextCursor! })).join('\n')
    expect(plan).toMatch(/using image_process_jobs_keyset_idx/)
    expect(plan).toMatch(/Index Cond: \(ROW\(created_at, job_id\) < ROW\(/)
    expect(plan).not.toContain('Rows Removed')
  })

  it('jobs by id are answered by primary keys', async () => {
    // A connection of its own has no counts of earlier queries, and a transaction keeps them.
    const own = connectServer(fresh.url, { maxConnections: 1 })
    onTestFinished(() => own.close())
    const { sql } = own
    await sql.unsafe('begin')
    const [id] = await sql`select md5('77')::uuid as id`
    await jobVersion(sql, id!.id)
    expect(await findJobs(sql, [id!.id])).toHaveLength(1)
    const [scans] = await sql`
      select pg_stat_get_xact_numscans('image_process_jobs'::regclass)::int as jobs,
        pg_stat_get_xact_numscans('image_tags'::regclass)::int as tags,
        pg_stat_get_xact_numscans('image_process_jobs_pkey'::regclass)::int as pkey`
    expect(scans).toEqual({ jobs: 0, tags: 0, pkey: 2 })
  })
})
