/**
 * Every query a user can trigger has an index that serves it: PostgreSQL counts what it reads for one, and the plan
 * it makes is its own affair.
 */
import type postgres from 'postgres'
import { v7 as uuidv7 } from 'uuid'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { connectServer } from '../../src/database/connect.ts'
import type { Database } from '../../src/database/contract.ts'
import type { JobFilter } from '../../src/database/filters.ts'
import { findCompletedBySource, findJobOfFile } from '../../src/database/jobs.ts'
import { applyMigrations } from '../../src/database/migrate.ts'
import { reserveSources } from '../../src/database/source-claims.ts'
import { dueJobs, logSize, retireJobs } from '../../src/database/tombstones.ts'
import { usageBy } from '../../src/database/usage.ts'
import { upsertUser } from '../../src/database/users.ts'
import { queryJobs } from '../../src/jobs/pages.ts'
import { objectKinds } from '../../src/store/contract.ts'
import { processOwner } from '../../src/system/owner.ts'
import { fill, openJobs } from '../bench/database/fill.ts'
import { newImage, processImage } from '../bench/database/work.ts'
import { describeWith, freshDatabase } from '../support/servers.ts'

/** Enough for the planner to prefer an index wherever there is one. */
const rows = 100_000

/** Scans of a whole table, and rows and entries of its indexes, that something reads on the one connection there is. */
async function readOn({ sql }: Database, table: string, something: () => Promise<unknown>) {
  const read = async () => {
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

describeWith('RMBG_TEST_DATABASE_URL')('a new log, of which the planner knows nothing', () => {
  it('costs each image the same, however many the session has done before', async () => {
    const fresh = await freshDatabase()
    const database = connectServer(fresh.url, { maxConnections: 1 })
    try {
      await applyMigrations(database)
      const { sql } = database
      await sql`alter table image_process_jobs set (autovacuum_enabled = false)`
      const run = { id: uuidv7(), owner: processOwner(), leaseMs: 60_000 }
      await upsertUser(sql, 'somebody')
      const images = Array.from({ length: 1500 }, (_, number) => newImage(number, run, 'somebody'))
      const files = images.map(({ source }) => source)
      const costOf = async (from: number, to: number) => {
        const { rows } = await readOn(database, 'image_process_jobs', async () => {
          const asked = files.slice(from, to)
          expect(new Set(await findCompletedBySource(sql, images[0]!, asked))).toEqual(new Set([undefined]))
          const reserved = { run, done: [], fingerprint: images[0]!.fingerprint, want: to - from }
          await reserveSources(sql, {
            ...reserved,
            sources: asked.map((source) => ({ source, keep: objectKinds })),
          })
          for (const image of images.slice(from, to)) await processImage(sql, image)
        })
        return rows / (to - from)
      }
      await costOf(0, 1300)
      // Measured: 17, most of them the oldest and the newest job, which each look-up asks for.
      expect(await costOf(1300, 1500)).toBeLessThan(30)
    } finally {
      await database.close()
      await fresh.drop()
    }
  }, 60_000)
})

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

  const readBy = (table: string, something: () => Promise<unknown>) => readOn(database, table, something)

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
    ['whatever has not ended', { statuses: ['pending', 'processing'] }],
    ['a period', { since: { ago: '200 days' }, until: { ago: '100 days' } }],
    ['a common tag', { tags: ['spring'] }],
    ['a rare tag', { tags: ['outdoor-499'] }],
    ['a fuzzy tag', { tagLike: 'outdor-49' }],
    ['parameters of no job', { params: { format: 'bmp' } }],
    ['parameters of few jobs', { params: { quality: 77 } }],
    ['large files', { largerThanBytes: 18_000_000 }],
    ['a name', { name: 'IMG_55555*' }],
    ['the name of a job in work', { name: 'IMG_55555*', statuses: ['processing'] }],
    ['an error code', { error: 'MODEL_CRASHED' }],
    ['words of an error', { error: 'no such words' }],
    ['review', { needsReview: true }],
  ])('a page of %s is read without reading all', async (_, filter) => {
    expectFew(await readBy('image_process_jobs', () => page(filter)))
  })

  it.each<[string, string]>([
    ['a word', 'IMG_55555'],
    ['a word that is in every name, and one that is in few', 'jpg 55555'],
    ['a rare tag and a word of every name', 'IMG outdoor-499'],
    ['a word of errors that is nowhere', 'nosuchword jpg'],
    ['a word with a letter too many', '55555x'],
  ])('%s is searched for without reading all', async (_, search) => {
    const read = await readBy('image_process_jobs', () => page({ search }))
    expect(read.scans).toBe(0)
    expect(read.rows).toBeLessThan(rows / 10)
  })

  it('a later page is read from where the page before ended', async () => {
    const filter = { until: { ago: '180 days' } }
    const { nextCursor } = await page(filter)
    const next = { limit: 50, after: nextCursor! }
    expectFew(await readBy('image_process_jobs', () => queryJobs(database.sql, filter, next)))
  })

  it('a cut-out and a mask are known by their content without reading all, and so is a file that is neither', async () => {
    const { sql } = database
    const [made] = await sql`
      select encode(processed_sha256, 'hex') as cutout, encode(mask_sha256, 'hex') as mask from image_process_jobs
      where processed_sha256 is not null limit 1`
    const files: [string, { made: string } | undefined][] = [
      [made!.cutout as string, { made: 'cut-out' }],
      [made!.mask as string, { made: 'mask' }],
      ['0'.repeat(64), undefined],
    ]
    for (const [sha256, expected] of files) {
      const { scans, rows } = await readBy('image_process_jobs', async () => {
        const found = await findJobOfFile(sql, sha256)
        if (expected === undefined) expect(found).toBeUndefined()
        else expect(found).toMatchObject(expected)
      })
      expect(scans).toBe(0)
      // Each look also takes the oldest and the newest job, whose months it asks; so does each plan.
      expect(rows).toBeLessThanOrEqual(12)
    }
  })

  it('500 files are known by path, size and time in one look each', async () => {
    const { sql } = database
    const found = await sql`
      select source_path as path, source_size::float8 as size, source_mtime_ns::text as mtime,
        encode(fingerprint, 'hex') as fingerprint
      from image_process_jobs where status = 'completed' order by job_id limit 500`
    const sources = found.map(({ path, size, mtime }) => ({ path, size, mtimeNs: BigInt(mtime) }))
    const work = { fingerprint: found[0]!.fingerprint as string, keep: objectKinds }
    const { scans, rows } = await readBy('image_process_jobs', async () => {
      expect(await findCompletedBySource(sql, work, sources)).not.toContain(undefined)
    })
    expect(scans).toBe(0)
    expect(rows).toBeLessThan(500 * 5)
  })

  it.each<[string, (sql: postgres.Sql) => PromiseLike<unknown>]>([
    ['open jobs', (sql) => sql`select * from image_process_jobs where status = 'pending'`],
    [
      "a user's last ten",
      (sql) =>
        sql`select * from image_process_jobs where user_id = 'user-12' order by created_at desc limit 10`,
    ],
    [
      'counts by day',
      (sql) => sql`
        select date_trunc('day', created_at), count(*) from image_process_jobs
        where created_at > now() - interval '2 days' group by 1`,
    ],
    [
      'what was completed long ago',
      (sql) => sql`
        select * from image_process_jobs where status = 'completed' and completed_at < now() - interval '364 days'`,
    ],
    [
      'contained parameters',
      (sql) => sql`select * from image_process_jobs where params @> '{"quality": 77}'`,
    ],
    ['large files', (sql) => sql`select * from image_process_jobs where file_size_kb > 18000`],
  ])("the design's own question is answered from an index: %s", async (_, ask) => {
    expectFew(await readBy('image_process_jobs', async () => ask(database.sql)))
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
    expect(planned.rows).toBeLessThan(8 * rows)
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
    expect(await logSize(sql, rows)).toEqual({ jobs: rows + openJobs, isEstimate: false })
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
