/**
 * Every query a user can trigger has an index that serves it: PostgreSQL counts what it reads for one, and the plan
 * it makes is its own affair.
 */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { connectServer } from '../../src/database/connect.ts'
import type { Database } from '../../src/database/contract.ts'
import type { JobFilter } from '../../src/database/filters.ts'
import { findJobOfCutout } from '../../src/database/jobs.ts'
import { dueJobs, logSize, retireJobs } from '../../src/database/tombstones.ts'
import { usageBy } from '../../src/database/usage.ts'
import { queryJobs } from '../../src/jobs/pages.ts'
import { fill } from '../bench/database/fill.ts'
import { describeWith, freshDatabase } from '../support/servers.ts'

/** Enough for the planner to prefer an index wherever there is one. */
const rows = 100_000

describeWith('RMBG_TEST_DATABASE_URL')(`of ${rows} jobs`, () => {
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

  /** Scans of a whole table, and rows and entries of its indexes, that something reads. */
  async function readBy(table: string, something: () => Promise<unknown>) {
    const { sql } = database
    const read = async () => {
      // The one connection there is reports what it did so far.
      await sql`select pg_stat_force_next_flush()`
      await sql`select pg_stat_clear_snapshot()`
      const [counts] = await sql`
        select t.seq_scan::int as scans,
          (t.seq_tup_read + t.idx_tup_fetch + (select sum(idx_tup_read) from pg_stat_user_indexes i where i.relid = t.relid))::int as rows
        from pg_stat_user_tables t where relname = ${table}`
      return counts as unknown as { scans: number; rows: number }
    }
    const before = await read()
    await something()
    const after = await read()
    return { scans: after.scans - before.scans, rows: after.rows - before.rows }
  }

  /** Measured: up to 700 for a page of 50 jobs, 1,100 for three days of all users. */
  const expectFew = ({ scans, rows }: { scans: number; rows: number }) => {
    expect(scans).toBe(0)
    expect(rows).toBeLessThan(2000)
  }

  const page = (filter: JobFilter) => queryJobs(database.sql, filter, { limit: 50 })

  it.each<[string, JobFilter]>([
    ['nothing', {}],
    ['a user', { user: 'user-12' }],
    ['completed', { statuses: ['completed'] }],
    ['failed', { statuses: ['failed'] }],
    ['pending', { statuses: ['pending'] }],
    ['processing', { statuses: ['processing'] }],
    ['a period', { since: { ago: '200 days' }, until: { ago: '100 days' } }],
    ['a common tag', { tags: ['spring'] }],
    ['a rare tag', { tags: ['outdoor-499'] }],
    ['a fuzzy tag', { tagLike: 'outdor-49' }],
    ['parameters of no job', { params: { format: 'bmp' } }],
    ['large files', { largerThanBytes: 18_000_000 }],
    ['a name', { name: 'IMG_55555*' }],
    ['an error code', { error: 'MODEL_CRASHED' }],
    ['words of an error', { error: 'no such words' }],
    ['review', { needsReview: true }],
  ])('a page of %s is read without reading all', async (_, filter) => {
    expectFew(await readBy('image_process_jobs', () => page(filter)))
  })

  it('a later page is read from where the page before ended', async () => {
    const filter = { until: { ago: '180 days' } }
    const { nextCursor } = await page(filter)
    const next = { limit: 50, after: nextCursor! }
    expectFew(await readBy('image_process_jobs', () => queryJobs(database.sql, filter, next)))
  })

  it('a cut-out is known by its content without reading all, and so is a file that is none', async () => {
    const { sql } = database
    const [made] = await sql`
      select encode(processed_sha256, 'hex') as sha256 from image_process_jobs where processed_sha256 is not null limit 1`
    for (const sha256 of [made!.sha256 as string, '0'.repeat(64)]) {
      const { scans, rows } = await readBy('image_process_jobs', () => findJobOfCutout(sql, sha256))
      expect(scans).toBe(0)
      expect(rows).toBeLessThanOrEqual(2)
    }
  })

  it('what every user keeps by --keep-last is found in one walk over their jobs, for a plan and for its batches', async () => {
    const { sql } = database
    const expected = await sql`
      select job_id from (
        select job_id, completed_at, row_number() over (partition by user_id order by created_at desc, job_id desc) as rank
        from image_process_jobs where status = 'completed'
      ) ranked where rank > 100 and completed_at < now() - interval '30 days' order by completed_at, job_id`
    const before = (await sql`select (now() - interval '30 days')::text as before`)[0]!.before as string
    const policy = { olderThan: { completed: '30 days' }, keepLast: 100, filter: {} }
    const due: string[] = []
    const planned = await readBy('image_process_jobs', async () => {
      for await (const { jobId } of dueJobs(sql, policy, { kind: 'completed', before })) due.push(jobId)
    })
    expect(due).toEqual(expected.map(({ job_id }) => job_id))
    // Each row once for its age and, with an entry, once for its user. A count for every job reads hundreds of times as much.
    expect(planned.rows).toBeLessThan(6 * rows)
    const jobIds = due.slice(0, 500)
    await sql
      .begin(async (transaction) => {
        const retired = await retireJobs(transaction as never, policy, {
          kind: 'completed',
          before,
          jobIds,
          kept: false,
        })
        expect(retired?.jobs).toBe(500)
        throw new Error('rolled back')
      })
      .catch((error) => expect(error.message).toBe('rolled back'))
  })

  it('the size of the log is counted as far as it matters, and estimated beyond', async () => {
    const { sql } = database
    const { jobs, isEstimate } = await logSize(sql, 10)
    expect(isEstimate ? jobs / rows : 1).toBeCloseTo(1, 1)
    expect(await logSize(sql, rows)).toEqual({ jobs: rows, isEstimate: false })
  })

  it.each(['day', 'user', 'tag'] as const)(
    'statistics by %s read the rollup by its key',
    async (dimension) => {
      const [dates] = await database.sql`select (current_date - 2)::text as from, current_date::text as to`
      const period = dates as unknown as { from: string; to: string }
      expectFew(await readBy('daily_usage', () => usageBy(database.sql, dimension, period, 10)))
    },
  )
})
