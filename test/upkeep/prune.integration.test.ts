import { v7 as uuidv7 } from 'uuid'
import { beforeEach, expect, it, vi } from 'vitest'
import { storedBytes } from '../../src/database/usage.ts'
import type { ObjectVersions } from '../../src/store/contract.ts'
import { jobPrefix, objectKey } from '../../src/store/keys.ts'
import { type PruneOptions, planPrune } from '../../src/upkeep/prune.ts'
import { onBothDatabases } from '../database/databases.ts'
import { makeJob, makeOpenJob } from '../support/jobs.ts'
import { agedStore } from './aged-store.ts'

const execution = { rate: 1e9, signal: new AbortController().signal, onJobs: () => {} }
const completed: PruneOptions['policy'] = {
  ...{ olderThan: { completed: '30 days' }, keepLast: undefined, filter: {} },
}

onBothDatabases('a plan of pruning', (database) => {
  let at: Awaited<ReturnType<typeof agedStore>>
  beforeEach(async () => {
    await database()
      .sql`truncate image_process_jobs, open_jobs, tombstones, tags, daily_usage, usage_changes cascade`
    at = await agedStore()
  })
  const plan = (more: Partial<PruneOptions> = {}) =>
    planPrune(
      { database: database(), store: async () => at.store },
      { ...{ policy: completed, maxShare: 100, keepObjects: false, versions: false }, ...more },
    )
  const make = (more: Parameters<typeof makeJob>[1] = {}) =>
    makeJob(database().sql, { ageDays: 40, store: at.store, ...more })
  const jobs = async () => {
    const rows = await database().sql`select job_id from image_process_jobs order by job_id`
    return rows.map(({ job_id }) => job_id)
  }

  it('deletes what it counted, and none of what became due since', async () => {
    const [old, young] = [await make(), await make({ ageDays: 1 })]
    const due = await plan()
    expect(due.figures).toMatchObject({ rows: { completed: 1, failed: 0, abandoned: 0 }, totalRows: 2 })
    const restored = await make({ ageDays: 300 })
    expect(await due.execute(execution)).toMatchObject({ jobs: 1, objects: 3, left: 0, interrupted: false })
    expect(await jobs()).toEqual([old, young, restored].filter((id) => id !== old).sort())
    const keys = await at.keys()
    for (const id of [young, restored]) expect(keys.filter((key) => key.includes(id))).toHaveLength(3)
    expect(keys.filter((key) => key.includes(old))).toEqual([])
    expect(await database().sql`select 1 from tombstones`).toHaveLength(0)
  })

  it('counts and deletes what jobs keep, and no more', async () => {
    const ids = [await make({ kept: ['processed'] }), await make({ kept: [] })]
    const [row] = await database().sql`select processed_bytes::float8 as bytes from image_process_jobs
      where job_id = ${ids[0]!}`
    const due = await plan()
    expect(due.figures).toMatchObject({ rows: { completed: 2 }, bytes: row!.bytes })
    expect(await due.execute(execution)).toMatchObject({ jobs: 2, objects: 1 })
    expect(await at.keys()).toEqual([])
    expect(await storedBytes(database().sql)).toMatchObject({ original: 0, mask: 0, processed: 0 })
  })

  it('is not widened by newer jobs that push others out of --keep-last', async () => {
    const [first, second] = [await make({ ageDays: 50 }), await make({ ageDays: 45 })]
    const due = await plan({ policy: { ...completed, keepLast: 1 } })
    expect(due.figures.rows.completed).toBe(1)
    const newest = await make({ ageDays: 1 })
    expect(await due.execute(execution)).toMatchObject({ jobs: 1 })
    expect(await jobs()).toEqual([second, newest].sort())
    expect(await jobs()).not.toContain(first)
  })

  it('is not widened by a tag that is gone, and spares what was tagged since', async () => {
    const [kept, tagged, plain] = [await make({ tags: ['keep'] }), await make(), await make()]
    const { sql } = database()
    const due = await plan({ policy: { ...completed, filter: { exceptTags: ['keep'] } } })
    expect(due.figures.rows.completed).toBe(2)
    await sql`update image_tags set job_id = ${tagged} where job_id = ${kept}`
    expect(await due.execute(execution)).toMatchObject({ jobs: 1, left: 1 })
    expect(await jobs()).toEqual([kept, tagged].sort())
    expect(await jobs()).not.toContain(plain)
  })

  it('spares a job that is worked on again', async () => {
    const failed = await make({ status: 'failed' })
    const due = await plan({ policy: { ...completed, olderThan: { failed: '30 days' } } })
    await makeOpenJob(database().sql, { job_id: failed, attempt: 2, leasedFor: '1 minute' })
    expect(await due.execute(execution)).toMatchObject({ jobs: 0, objects: 0, left: 1 })
    expect(await jobs()).toEqual([failed])
  })

  it('refuses to be carried out over its share of the log', async () => {
    await make()
    await make({ ageDays: 1 })
    const due = await plan({ maxShare: 49 })
    expect(() => due.assertAllowed()).toThrow(/1 of 2 jobs \(50.0%\)/)
    await expect(due.execute(execution)).rejects.toMatchObject({ code: 'REFUSED' })
    expect(await jobs()).toHaveLength(2)
  })

  it('shows what an interrupted prune left, and finishes it', async () => {
    const gone = uuidv7()
    const key = objectKey('mask', gone, 1, 'png')
    await at.put(key)
    await database().sql`insert into tombstones (job_id, keys, bytes) values (${gone}, ${[key] as never}, 3)`
    const due = await plan()
    expect(due.figures).toMatchObject({ leftovers: 1, rows: { completed: 0 } })
    expect(await due.execute(execution)).toMatchObject({ jobs: 0, objects: 1 })
    expect(await at.keys()).toEqual([])
  })

  it('removes what any attempt at a job left, in keys of their own or in those that all shared before', async () => {
    const others = [await make({ ageDays: 1 }), await make({ ageDays: 1, hasOldKeys: true })]
    const before = await at.keys()
    const several = await make({ attempt: 11 })
    const failed = await make({ status: 'failed', attempt: 2 })
    await make({ hasOldKeys: true })
    for (const jobId of [several, failed]) {
      for (const attempt of [1, 2, 10]) await at.put(objectKey('processed', jobId, attempt, 'webp'))
      await at.put(`${jobPrefix('mask', jobId)}.png`)
    }
    const due = await plan({
      policy: { ...completed, olderThan: { completed: '30 days', failed: '30 days' } },
    })
    expect(await due.execute(execution)).toMatchObject({ jobs: 3, objects: 7 + 5 + 3 })
    expect(await at.keys()).toEqual(before)
    expect(await jobs()).toEqual([...others].sort())
  })

  it('with old versions removes those of every attempt', async () => {
    const [once, thrice] = [await make(), await make({ attempt: 3 })]
    const purged: string[] = []
    const versions = {
      state: async () => 'enabled',
      purge: async (keys: readonly string[]) => {
        purged.push(...keys)
        return { versions: keys.length, bytes: 0 }
      },
    } as Partial<ObjectVersions> as ObjectVersions
    const due = await planPrune(
      { database: database(), store: async () => ({ ...at.store, versions }) },
      { policy: completed, maxShare: 100, keepObjects: false, versions: true },
    )
    expect(await due.execute(execution)).toMatchObject({ jobs: 2, objects: 6, hidden: false })
    const masks = purged.filter((key) => key.startsWith('mask/')).sort()
    const attempts = [1, 2, 3].map((attempt) => objectKey('mask', thrice, attempt, 'png'))
    expect(masks).toEqual(
      [objectKey('mask', once, 1, 'png'), ...attempts, `${jobPrefix('mask', thrice)}.png`].sort(),
    )
  })

  it('leaves an original while a job shares it, old versions included, and removes it with the last one', async () => {
    const { sql } = database()
    const purged: string[] = []
    const versions = {
      state: async () => 'enabled',
      purge: async (keys: readonly string[]) => {
        purged.push(...keys)
        return { versions: 0, bytes: 0 }
      },
    } as Partial<ObjectVersions> as ObjectVersions
    const first = await make({ attempt: 2, ageDays: 50 })
    const second = await make({ attempt: 2, sharesWith: first, ageDays: 40 })
    const original = objectKey('original', first, 2, 'jpg')
    const prune = async (days: string, objects: number) => {
      const due = await planPrune(
        { database: database(), store: async () => ({ ...at.store, versions }) },
        {
          policy: { ...completed, olderThan: { completed: days } },
          ...{ maxShare: 100, keepObjects: false, versions: true },
        },
      )
      expect(await due.execute(execution)).toMatchObject({ jobs: 1, objects, bytes: due.figures.bytes })
    }
    await prune('45 days', 2)
    expect(await at.keys()).toContain(original)
    expect(purged).not.toContain(original)
    const [row] =
      await sql`select original_bytes::float8 as bytes from image_process_jobs where job_id = ${second}`
    expect((await storedBytes(sql)).original).toBe(row!.bytes)
    await prune('30 days', 3)
    expect(await at.keys()).toEqual([])
    expect(purged).toContain(original)
    expect(await storedBytes(sql)).toMatchObject({ original: 0, mask: 0, processed: 0, awaitingDeletion: 0 })
  })

  it('frees what it says when jobs that share an original go together', async () => {
    const first = await make()
    await make({ sharesWith: first })
    const due = await plan()
    const before = await storedBytes(database().sql)
    expect(due.figures.bytes).toBe(before.original + before.mask + before.processed)
    expect(await due.execute(execution)).toMatchObject({ jobs: 2, objects: 5, bytes: due.figures.bytes })
    expect(await at.keys()).toEqual([])
  })

  it('finishes the batch at hand when it is stopped', async () => {
    for (let index = 0; index < 3; index++) await make()
    const stop = new AbortController()
    const due = await plan({
      policy: { ...completed, olderThan: { completed: '30 days', failed: '30 days' } },
    })
    await make({ status: 'failed' })
    const done = await due.execute({ ...execution, signal: stop.signal, onJobs: () => stop.abort() })
    expect(done).toMatchObject({ jobs: 3, objects: 0, interrupted: true })
    expect((await plan()).figures.leftovers).toBe(3)
  })

  it('leaves objects in the store when it is planned so', async () => {
    await make()
    expect(await (await plan({ keepObjects: true })).execute(execution)).toMatchObject({
      jobs: 1,
      objects: 0,
    })
    expect(await at.keys()).toHaveLength(3)
    expect(await database().sql`select kept from tombstones`).toEqual([{ kept: true }])
  })

  it('trusts no age when the clocks disagree', async () => {
    if (database().kind === 'embedded') return // it has the clock of this process
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 10 * 60_000 })
    try {
      await expect(plan()).rejects.toMatchObject({ code: 'REFUSED', message: /10 minutes behind/ })
    } finally {
      vi.useRealTimers()
    }
  })

  it('is carried out by one at a time', async () => {
    await make()
    const due = await plan()
    if (database().kind === 'embedded') return // one process has it anyway
    const held = await database().lock('prune')
    await expect(due.execute(execution)).rejects.toMatchObject({ code: 'REFUSED' })
    await held.release()
    expect(await due.execute(execution)).toMatchObject({ jobs: 1 })
  })
})
