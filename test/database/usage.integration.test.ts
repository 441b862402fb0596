/** The rollup tells what a recount would tell, and what a recount no longer could. */
import { beforeEach, expect, it } from 'vitest'
import { connectServer } from '../../src/database/connect.ts'
import type { Database } from '../../src/database/contract.ts'
import { applyMigrations, shippedMigrations } from '../../src/database/migrate.ts'
import { tagJobs, untagJobs } from '../../src/database/tags.ts'
import {
  type Dimension,
  dimensions,
  foldUsage,
  storedBytes,
  type Usage,
  unfinishedJobs,
  usageBy,
  usageTotal,
  usageVersion,
} from '../../src/database/usage.ts'
import { makeJob } from '../support/jobs.ts'
import { describeWith, freshDatabase } from '../support/servers.ts'
import { onBothDatabases } from './databases.ts'

const whole = { from: '2020-01-01', to: '2030-01-01' }
const today = new Date().toISOString().slice(0, 10)

/** Repeatable: xorshift. */
function random(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

interface Known {
  id: string
  user: string
  status: string
  code: string | null
  ms: number | null
  tags: Set<string>
  deleted: boolean
}

onBothDatabases('usage', (database) => {
  const sql = () => database().sql
  beforeEach(async () => {
    for (const table of [
      'image_process_jobs',
      'open_jobs',
      'usage_changes',
      'daily_usage',
      'daily_latency',
      'processing_stats',
    ]) {
      await sql()`delete from ${sql()(table)}`
    }
  })

  it('is what a recount says, after any changes in any order', async () => {
    const draw = random(7)
    const jobs: Known[] = []
    const users = ['anna', 'bob', 'carl']
    const tags = ['spring', 'hero', 'sale']
    const live = () => jobs.filter(({ deleted }) => !deleted)
    const finish = async (job: Known) => {
      job.status = draw(4) === 0 ? 'failed' : 'completed'
      job.code = job.status === 'failed' ? ['INPUT_EMPTY', 'INPUT_CORRUPT'][draw(2)]! : null
      job.ms = job.status === 'completed' ? 1 + draw(5000) : null
      const [open] = await sql()`select tags from open_jobs where job_id = ${job.id}`
      // As a run ends it, or as it is changed afterwards.
      await sql()`
        with open as (delete from open_jobs where job_id = ${job.id} returning *)
        insert into image_process_jobs (job_id, user_id, created_at, original_path, params, status, error_code,
          processing_time_ms, error_message, mask_path, processed_path, completed_at, original_bytes, mask_bytes,
          processed_bytes)
        select job_id, user_id, created_at, original_path, params, ${job.status}, ${job.code}, ${job.ms}::integer,
          ${job.code}, 'm', 'p', created_at, 100, 10, 1
        from (select job_id, user_id, created_at, original_path, params from open
          union all select job_id, user_id, created_at, original_path, params from image_process_jobs
          where job_id = ${job.id}) known
        on conflict (job_id) do update
        set status = excluded.status, error_code = excluded.error_code, error_message = excluded.error_message,
          processing_time_ms = excluded.processing_time_ms, original_bytes = 100, mask_bytes = 10, processed_bytes = 1`
      if (open) await sql()`select give_tags(jsonb_build_object(${job.id}::text, ${open.tags}::text[]))`
    }
    const steps = [
      async () => {
        const user = users[draw(3)]!
        const id = await makeJob(sql(), { user, status: 'processing' })
        jobs.push({ id, user, status: 'processing', code: null, ms: null, tags: new Set(), deleted: false })
      },
      async (job: Known) => finish(job),
      async (job: Known) => finish(job),
      async (job: Known) => {
        const tag = tags[draw(3)]!
        job.tags.add(tag)
        await tagJobs(sql(), [job.id], [tag])
      },
      async (job: Known) => {
        const tag = tags[draw(3)]!
        job.tags.delete(tag)
        await untagJobs(sql(), [job.id], [tag])
      },
      async (job: Known) => {
        job.user = users[draw(3)]!
        for (const table of ['image_process_jobs', 'open_jobs'])
          await sql()`update ${sql()(table)} set user_id = ${job.user} where job_id = ${job.id}`
      },
      async (job: Known) => {
        if (job.status === 'processing' || draw(3) > 0) return
        job.deleted = true
        await sql()`delete from image_process_jobs where job_id = ${job.id}`
      },
      async () => foldUsage(sql()),
    ]
    for (let step = 0; step < 300; step++) {
      const some = live()
      const job = some[draw(Math.max(some.length, 1))]
      if (job) await steps[draw(steps.length)]!(job)
      else await (steps[0] as () => Promise<void>)()
    }
    const ended = jobs.filter(({ status }) => status !== 'processing')
    expect(ended.filter(({ deleted }) => deleted).length).toBeGreaterThan(3)

    const recount = (valuesOf: (job: Known) => string[]): Record<string, [number, number, number | null]> => {
      const groups: Record<string, Known[]> = {}
      for (const job of ended) {
        for (const value of valuesOf(job)) groups[value] = [...(groups[value] ?? []), job]
      }
      return Object.fromEntries(
        Object.entries(groups).map(([value, group]) => {
          const timed = group.flatMap(({ ms }) => ms ?? [])
          const mean = timed.length === 0 ? null : timed.reduce((sum, ms) => sum + ms, 0) / timed.length
          const failed = group.filter(({ status }) => status === 'failed').length
          return [value, [group.length - failed, failed, mean && Math.round(mean * 1000)]]
        }),
      )
    }
    const told = (groups: Usage[]) =>
      Object.fromEntries(
        groups.map(({ value, completed, failed, meanMs }) => [
          value,
          [completed, failed, meanMs && Math.round(meanMs * 1000)],
        ]),
      )
    for (const isFolded of [false, true]) {
      if (isFolded) await foldUsage(sql())
      const by = async (dimension: Dimension) => told(await usageBy(sql(), dimension, whole, 100))
      expect(await by('user')).toEqual(recount(({ user }) => [user]))
      expect(await by('model')).toEqual(recount(() => ['silhouette']))
      expect(await by('tag')).toEqual(recount(({ tags }) => [...tags]))
      expect(await by('error')).toEqual(recount(({ code }) => (code ? [code] : [])))
      expect(told([await usageTotal(sql(), whole)])).toEqual(recount(() => ['all']))
      const days = await usageBy(sql(), 'day', { from: today, to: today }, 1)
      expect(told(days)).toEqual(recount(() => [today]))
      const present = ended.filter(({ deleted }) => !deleted).length
      expect(await storedBytes(sql())).toMatchObject({
        original: present * 100,
        mask: present * 10,
        processed: present,
      })
    }
    const [stats] = await sql()`
      select total_jobs, completed_jobs, failed_jobs::float8, error_rate::float8 from processing_stats
      where stat_date = ${today}::text::date`
    const failed = ended.filter(({ status }) => status === 'failed').length
    expect(stats).toEqual({
      total_jobs: ended.length,
      completed_jobs: ended.length - failed,
      failed_jobs: failed,
      error_rate: Math.round((10_000 * failed) / ended.length) / 100,
    })
    expect(await unfinishedJobs(sql())).toEqual({ pending: 0, processing: jobs.length - ended.length })
  })

  it('is not looked at for jobs of which nothing that counts has changed', async () => {
    for (const tag of ['spring', 'hero']) await makeJob(sql(), { tags: [tag] })
    await makeJob(sql(), { status: 'failed', tags: ['spring'] })
    await foldUsage(sql())
    const rows = await sql()`explain (analyze, verbose, format json)
      update image_process_jobs set attempt = attempt + 1, execution_provider = 'cpu'`
    const [{ Triggers: triggers }] = rows[0]!['QUERY PLAN']
    expect(
      triggers.map((trigger: Record<string, unknown>) => [trigger['Trigger Name'], trigger.Calls]),
    ).toEqual([['note_usage_of_change', 1]])
    expect(await sql()`select 1 from usage_changes`).toHaveLength(0)
  })

  it('belongs to the day in UTC, wherever the session is', async () => {
    await sql()`select set_config('timezone', 'Pacific/Auckland', false)`
    await sql()`
      insert into image_process_jobs (job_id, user_id, original_path, created_at, status, error_code, error_message)
      values (gen_random_uuid(), 'anna', 'o', '2026-03-01T23:59:59.999999Z', 'failed', 'INPUT_EMPTY', 'x')`
    await sql()`select set_config('timezone', 'UTC', false)`
    const days = await usageBy(sql(), 'day', { from: '2026-02-28', to: '2026-03-02' }, 9)
    expect(days.map(({ value, jobs, errorRate }) => [value, jobs, errorRate])).toEqual([
      ['2026-02-28', 0, null],
      ['2026-03-01', 1, 100],
      ['2026-03-02', 0, null],
    ])
  })

  it('knows percentiles to 9 %', async () => {
    const exact = Array.from({ length: 400 }, (_, index) => Math.round(5 * 1.02 ** index))
    await sql()`
      insert into image_process_jobs (job_id, user_id, original_path, mask_path, processed_path, status, completed_at,
        processing_time_ms, params)
      select gen_random_uuid(), 'anna', 'o', 'm', 'p', 'completed', now(), value::int, '{"model": {"name": "x"}}'
      from jsonb_array_elements_text(${sql().json(exact)})`
    const { p50Ms, p95Ms } = await usageTotal(sql(), whole)
    expect(Math.abs(p50Ms! / exact[200]! - 1)).toBeLessThan(0.09)
    expect(Math.abs(p95Ms! / exact[380]! - 1)).toBeLessThan(0.09)
    expect((await usageBy(sql(), 'model', whole, 9))[0]).toMatchObject({ value: 'x', p50Ms, p95Ms })
  })

  it('puts users in quartiles, equal ones always in the same order', async () => {
    for (const user of ['d', 'b', 'a', 'c']) await makeJob(sql(), { user })
    await makeJob(sql(), { user: 'z' })
    await makeJob(sql(), { user: 'z' })
    const users = await usageBy(sql(), 'user', whole, 9)
    expect(users.map(({ value, quartile }) => `${value}${quartile}`)).toEqual(['z1', 'a1', 'b2', 'c3', 'd4'])
    expect(await usageBy(sql(), 'user', whole, 2)).toEqual(users.slice(0, 2))
  })

  it('is empty, not wrong, where nothing happened', async () => {
    expect(await usageTotal(sql(), whole)).toMatchObject({
      jobs: 0,
      errorRate: null,
      meanMs: null,
      p50Ms: null,
    })
    for (const dimension of dimensions) {
      const groups = await usageBy(sql(), dimension, { from: today, to: today }, 9)
      expect(
        groups.reduce((sum, { jobs }) => sum + jobs, 0),
        dimension,
      ).toBe(0)
    }
  })

  it('has a version that every change changes, and folding alone may', async () => {
    const versions = [await usageVersion(sql())]
    const job = await makeJob(sql())
    versions.push(await usageVersion(sql()))
    await foldUsage(sql())
    versions.push(await usageVersion(sql()))
    await foldUsage(sql()) // nothing to fold
    expect(await usageVersion(sql())).toBe(versions.at(-1))
    await tagJobs(sql(), [job], ['new'])
    versions.push(await usageVersion(sql()))
    await foldUsage(sql())
    await sql()`delete from image_process_jobs`
    versions.push(await usageVersion(sql()))
    expect(new Set(versions).size).toBe(versions.length)
  })
})

describeWith('RMBG_TEST_DATABASE_URL')('the rollup of a server', () => {
  const withServer = async (test: (database: Database, url: string) => Promise<void>) => {
    const { url, drop } = await freshDatabase()
    const database = connectServer(url)
    try {
      await test(database, url)
    } finally {
      await database.close()
      await drop()
    }
  }

  it('loses and doubles nothing when many fold and write at once', async () => {
    await withServer(async (database) => {
      await applyMigrations(database)
      await Promise.all(
        Array.from({ length: 120 }, (_, index) =>
          index % 6 === 0 ? foldUsage(database.sql) : makeJob(database.sql, { tags: ['spring'] }),
        ),
      )
      expect(await usageTotal(database.sql, whole)).toMatchObject({ jobs: 100, completed: 100 })
      await foldUsage(database.sql)
      expect(await usageBy(database.sql, 'tag', whole, 9)).toMatchObject([{ value: 'spring', jobs: 100 }])
    })
  })

  it('blocks no writer while it is folded', async () => {
    await withServer(async (database, url) => {
      await applyMigrations(database)
      const folder = connectServer(url, { maxConnections: 1 })
      await makeJob(database.sql)
      await folder.sql`begin`
      await folder.sql`select fold_usage()`
      await database.sql`select set_config('lock_timeout', '2s', false)`
      await makeJob(database.sql, { tags: ['meanwhile'] })
      await folder.sql`commit`
      await folder.close()
      expect((await usageTotal(database.sql, whole)).jobs).toBe(2)
    })
  })

  it('begins with what was there before it', async () => {
    await withServer(async (database) => {
      const shipped = await shippedMigrations()
      await applyMigrations(database, { shipped: shipped.filter(({ name }) => name < '0011') })
      for (const status of ['completed', 'failed', 'pending'] as const) {
        await makeJob(database.sql, { status })
      }
      await database.sql`insert into tags (name) values ('old')`
      await database.sql`insert into image_tags select job_id, tag_id from image_process_jobs, tags`
      await applyMigrations(database, { shipped })
      await makeJob(database.sql, { tags: ['old'] })
      expect(await usageTotal(database.sql, whole)).toMatchObject({ completed: 2, failed: 1 })
      expect(await usageBy(database.sql, 'tag', whole, 9)).toMatchObject([{ value: 'old', jobs: 3 }])
      expect(await database.sql`select completed_jobs from processing_stats`).toEqual([{ completed_jobs: 1 }])
    })
  })
})
