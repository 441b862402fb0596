import { v7 as uuidv7 } from 'uuid'
import { beforeEach, expect, it } from 'vitest'
import { diskUsage } from '../../src/jobs/disk-usage.ts'
import { objectKey } from '../../src/store/keys.ts'
import { type CleanOptions, planClean } from '../../src/upkeep/clean.ts'
import { onBothDatabases } from '../database/databases.ts'
import { temporaryFolder } from '../support/cli.ts'
import { makeJob } from '../support/jobs.ts'
import { agedStore } from './aged-store.ts'

const { signal } = new AbortController()
const execution = { signal, onJobs: () => {} }

onBothDatabases('a store with jobs', (database) => {
  let at: Awaited<ReturnType<typeof agedStore>>
  beforeEach(async () => {
    await database().sql`
      truncate image_process_jobs, open_jobs, tombstones, tags, daily_usage, usage_changes, backups cascade`
    at = await agedStore()
  })
  const make = (more: Parameters<typeof makeJob>[1] = {}) =>
    makeJob(database().sql, { store: at.store, ...more })
  const plan = (more: Partial<CleanOptions> = {}) =>
    planClean({ database: database(), store: at.store }, { exceptTags: [], versions: false, signal, ...more })
  const jobs = async () =>
    (await database().sql`select job_id from all_jobs order by 1`).map(({ job_id }) => job_id)

  it('is emptied: all jobs of every age and status, their objects, and what has no job', async () => {
    await make()
    await make({ ageDays: 400, attempt: 2 })
    await make({ status: 'failed' })
    await make({ status: 'pending' })
    const [lost, foreign] = [objectKey('mask', uuidv7(), 1, 'png'), 'mask/notes.txt']
    await at.put(lost)
    await at.put(foreign)
    const cleaning = await plan()
    expect(cleaning.figures).toMatchObject({ jobs: 4, staying: 0, leftovers: { objects: 1 }, foreign: 1 })
    expect(await cleaning.execute(execution)).toMatchObject({ jobs: 4, left: 0, interrupted: false })
    await cleaning.close()
    expect(await jobs()).toEqual([])
    expect(await at.keys()).toEqual([foreign])
    expect(await database().sql`select 1 from tombstones`).toHaveLength(0)
    expect((await plan()).figures).toMatchObject({ jobs: 0, leftovers: { objects: 0 } })
  })

  it('keeps jobs that are tagged, those that a run holds, and those that came since the plan', async () => {
    const tagged = await make({ tags: ['keep'] })
    const held = await make({ status: 'processing', leasedFor: '1 minute' })
    await make()
    const cleaning = await plan({ exceptTags: ['keep'] })
    expect(cleaning.figures).toMatchObject({ jobs: 1, staying: 2 })
    const late = await make({ ageDays: -1 })
    await cleaning.execute(execution)
    expect(await jobs()).toEqual([tagged, held, late].sort())
    expect((await at.keys()).filter((key) => key.includes(tagged))).toHaveLength(3)
  })

  it('is measured by the log and by listing it', async () => {
    await make()
    await make({ kept: ['mask'] })
    await make({ status: 'failed' })
    await at.put('original/notes.txt')
    await database().sql`
      insert into backups (backup_id, location, created_at, bytes, with_objects)
      values ('b1', '/backups', '2026-01-02', 1000, false), ('b2', '/backups', '2026-02-02', 500, true)`
    const nowhere = await temporaryFolder()
    const folders = { home: nowhere, database: nowhere, models: nowhere, cache: nowhere, output: undefined }
    const services = { database: database(), store: at.store }
    const logged = await diskUsage(services, folders, { exact: false, signal })
    expect(logged.store).toMatchObject({
      source: 'log',
      kinds: { original: { objects: 1 }, mask: { objects: 2 }, processed: { objects: 1 } },
      foreign: null,
    })
    expect(logged.backups).toEqual([
      {
        ...{ location: '/backups', backups: 2, bytes: 1500, withObjects: 1 },
        newest: expect.stringMatching(/^2026-02-02/),
      },
    ])
    const { store } = await diskUsage(services, folders, { exact: true, signal })
    // The failed job has stored its original.
    expect(store).toMatchObject({
      source: 'listing',
      kinds: { original: { objects: 2 }, mask: { objects: 2 }, processed: { objects: 1 } },
      foreign: { objects: 1 },
    })
    expect(store.kinds.mask.bytes).toBe(logged.store.kinds.mask.bytes)
  })
})
