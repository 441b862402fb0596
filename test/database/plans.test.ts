/** Every query a user can trigger has an index that serves it. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { connectServer } from '../../src/database/connect.ts'
import type { Database } from '../../src/database/contract.ts'
import type { JobFilter } from '../../src/database/filters.ts'
import { explainQuery, queryJobs } from '../../src/jobs/pages.ts'
import { fill } from '../bench/database/fill.ts'
import { describeWith, freshDatabase } from '../support/servers.ts'

/** Enough for the planner to prefer an index wherever there is one. */
const rows = 100_000

describeWith('RMBG_TEST_DATABASE_URL')(`the plan over ${rows} jobs`, () => {
  let database: Database
  let drop: () => Promise<void>
  beforeAll(async () => {
    const fresh = await freshDatabase()
    drop = fresh.drop
    await fill(fresh.url, rows, () => {})
    database = connectServer(fresh.url, { maxConnections: 1 })
  }, 120_000)
  afterAll(async () => {
    await database.close()
    await drop()
  })

  it.each<[string, JobFilter, RegExp]>([
    ['nothing', {}, /Index Only Scan Backward using image_process_jobs_keyset_idx/],
    ['a user', { user: 'user-12' }, /image_process_jobs_user_keyset_idx/],
    ['completed', { statuses: ['completed'] }, /image_process_jobs_(keyset|created_at)_idx/],
    ['failed', { statuses: ['failed'] }, /image_process_jobs_failed_idx/],
    ['pending', { statuses: ['pending'] }, /image_process_jobs_pending_idx/],
    ['processing', { statuses: ['processing'] }, /image_process_jobs_processing_idx/],
    ['a period', { since: { ago: '200 days' }, until: { ago: '100 days' } }, /image_process_jobs_keyset_idx/],
    ['a common tag', { tags: ['spring'] }, /image_process_jobs_keyset_idx/],
    ['a rare tag', { tags: ['outdoor-499'] }, /image_tags_tag_id_job_id_idx/],
    ['a fuzzy tag', { tagLike: 'outdor-49' }, /image_(tags_tag_id_job_id|process_jobs_keyset)_idx/],
    [
      'parameters of no job',
      { params: { format: 'bmp' } },
      /Bitmap Index Scan on image_process_jobs_params_idx/,
    ],
    ['large files', { largerThanBytes: 18_000 * 1024 }, /image_process_jobs_file_size_kb_idx/],
    ['a name', { name: 'IMG_55555*' }, /Bitmap Index Scan on image_process_jobs_source_name_idx/],
    ['an error code', { error: 'MODEL_CRASHED' }, /image_process_jobs_error_code_idx/],
    [
      'words of an error',
      { error: 'no such words' },
      /Bitmap Index Scan on image_process_jobs_error_message_idx/,
    ],
    ['review', { needsReview: true }, /image_process_jobs_review_idx/],
  ])('for %s uses an index', async (_, filter, index) => {
    const plan = (await explainQuery(database.sql, filter, { limit: 50 })).join('\n')
    expect(plan).toMatch(index)
    expect(plan).not.toMatch(/Seq Scan on image_process_jobs/)
  })

  it('of a later page begins where the page before ended', async () => {
    const { sql } = database
    const filter = { until: { ago: '180 days' } }
    const { nextCursor } = await queryJobs(sql, filter, { limit: 50 })
    const plan = (await explainQuery(sql, filter, { limit: 50, after: nextCursor! })).join('\n')
    expect(plan).toMatch(
      /Index Cond: \(\(ROW\(j_?1?\.?created_at, j_?1?\.?job_id\) < ROW|Index Cond: .*ROW\(created_at, job_id\) < ROW/,
    )
    expect(plan).not.toMatch(/Rows Removed by Filter: \d{4,}/)
  })

  it.each([
    ['the day before yesterday', 'day'],
    ['users', 'user'],
    ['tags', 'tag'],
  ] as const)('of statistics by %s reads the rollup by its key', async (_, dimension) => {
    const plan = await database.sql`
      explain select sum(completed_jobs) from daily_usage
      where dimension = ${dimension === 'day' ? 'all' : dimension} and stat_date between current_date - 2 and current_date`
    expect(plan.map((row) => row['QUERY PLAN']).join('\n')).toContain('daily_usage_pkey')
  })
})
