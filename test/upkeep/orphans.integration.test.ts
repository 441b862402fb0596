import { v7 as uuidv7 } from 'uuid'
import { beforeEach, expect, it } from 'vitest'
import { jobPrefix, objectKey } from '../../src/store/keys.ts'
import { type Orphan, type OrphanOptions, planOrphans } from '../../src/upkeep/orphans.ts'
import { onBothDatabases } from '../database/databases.ts'
import { type MadeJob, makeJob, makeOpenJob } from '../support/jobs.ts'
import { agedStore } from './aged-store.ts'

const signal = new AbortController().signal
const options: OrphanOptions = {
  grace: '1 day',
  maxShare: 100,
  keepObjects: false,
  keepRows: false,
  signal,
  onOrphan: () => {},
}
const key = (jobId = uuidv7()) => objectKey('mask', jobId, 1, 'png')

onBothDatabases('a plan of orphans', (database) => {
  let at: Awaited<ReturnType<typeof agedStore>>
  beforeEach(async () => {
    await database().sql`truncate image_process_jobs, open_jobs, tombstones cascade`
    at = await agedStore()
  })
  const plan = (more: Partial<OrphanOptions> = {}) =>
    planOrphans({ database: database(), store: at.store }, { ...options, ...more })
  /** A completed job whose objects are two days old. */
  const wholeJob = async (more: MadeJob = {}) => {
    const jobId = await makeJob(database().sql, { ageDays: 2, store: at.store, ...more })
    for (const each of await at.keys()) if (each.includes(jobId)) await at.age(each, 2)
    return jobId
  }
  const statusOf = async (jobId: string) => {
    const [row] = await database()
      .sql`select status, error_code from image_process_jobs where job_id = ${jobId}`
    return row && { status: row.status, error: row.error_code }
  }

  it('removes what it showed, and none of what appeared since', async () => {
    await wholeJob()
    const [shown, late] = [key(), key()]
    await at.put(shown)
    const orphans = await plan()
    expect(orphans.figures).toMatchObject({ seen: 4, objects: 1, rows: 0 })
    await at.put(late)
    const lateJob = await wholeJob()
    await at.store.remove([key(lateJob)])
    expect(await orphans.execute({ signal })).toMatchObject({ objects: 1, rows: 0, left: 0 })
    const keys = await at.keys()
    expect(keys).not.toContain(shown)
    expect(keys).toContain(late)
    expect(await statusOf(lateJob)).toMatchObject({ status: 'completed' })
  })

  it('misses nothing that a job does not keep, and finds the object of a kind that it does not', async () => {
    const jobId = await wholeJob({ kept: ['mask'] })
    const none = await wholeJob({ kept: [] })
    expect((await plan()).figures).toMatchObject({ objects: 0, rows: 0 })
    const foreign = objectKey('original', none, 1, 'jpg')
    await at.put(foreign)
    await at.store.remove([objectKey('mask', jobId, 1, 'png')])
    const orphans = await plan()
    expect(orphans.figures).toMatchObject({ objects: 1, rows: 1 })
    await orphans.execute({ signal })
    expect(await statusOf(jobId)).toEqual({ status: 'failed', error: 'STORE_OBJECT_MISSING' })
    expect(await statusOf(none)).toMatchObject({ status: 'completed' })
    expect(await at.keys()).not.toContain(foreign)
  })

  it('spares an object whose job or tombstone has appeared since', async () => {
    const jobId = uuidv7()
    const deleted = uuidv7()
    for (const id of [jobId, deleted]) await at.put(key(id))
    const orphans = await plan()
    expect(orphans.figures.objects).toBe(2)
    await makeOpenJob(database().sql, { job_id: jobId, leasedFor: '1 minute' })
    await database().sql`insert into tombstones (job_id, bytes) values (${deleted}, 1)`
    expect(await orphans.execute({ signal })).toMatchObject({ objects: 0, bytes: 0, left: 2 })
    expect(await at.keys()).toEqual([key(jobId), key(deleted)].sort())
  })

  it('spares an object of an earlier try that its job names by now', async () => {
    const jobId = await wholeJob()
    const earlier = objectKey('processed', jobId, 1, 'webp')
    await at.put(earlier)
    const orphans = await plan()
    expect(orphans.figures.objects).toBe(1)
    await database().sql`update image_process_jobs set processed_path = ${earlier} where job_id = ${jobId}`
    expect(await orphans.execute({ signal })).toMatchObject({ objects: 0, left: 1 })
    expect(await at.keys()).toContain(earlier)
  })

  it('knows objects from before attempts had keys of their own', async () => {
    const [old, young] = [await wholeJob({ hasOldKeys: true }), await wholeJob({ attempt: 3 })]
    const before = await at.keys()
    const lost = `${jobPrefix('mask', uuidv7())}.png`
    const left = [`${jobPrefix('mask', young)}.png`, `${jobPrefix('processed', young)}.webp`]
    for (const each of [lost, ...left]) await at.put(each)
    const orphans = await plan()
    expect(orphans.figures).toMatchObject({ seen: 9, objects: 3, rows: 0, foreign: 0 })
    await orphans.execute({ signal })
    expect(await at.keys()).toEqual(before)
    expect(await statusOf(old)).toMatchObject({ status: 'completed' })
  })

  it('finds what other attempts left, earlier or later, and only where the job is completed', async () => {
    const done = [await wholeJob(), await wholeJob({ attempt: 2 }), await wholeJob({ attempt: 11 })]
    const failed = await makeJob(database().sql, { ageDays: 2, status: 'failed', attempt: 2 })
    const before = await at.keys()
    for (const jobId of done) {
      for (const attempt of [1, 2, 3, 10, 11]) {
        const each = objectKey('mask', jobId, attempt, 'png')
        if (!before.includes(each)) await at.put(each)
      }
    }
    const kept = objectKey('mask', failed, 1, 'png')
    await at.put(kept)
    const types: string[] = []
    const orphans = await plan({ onOrphan: ({ type }) => types.push(type) })
    expect(orphans.figures).toMatchObject({ seen: 22, objects: 12, rows: 0, foreign: 0 })
    expect(types).toEqual(Array(12).fill('superseded'))
    await orphans.execute({ signal })
    expect(await at.keys()).toEqual([...before, kept].sort())
  })

  it('spares a job whose object is back, and one that was done again under another key', async () => {
    const [lost, back, again] = [await wholeJob(), await wholeJob(), await wholeJob()]
    await at.store.remove([key(lost), key(back), key(again)])
    const orphans = await plan()
    expect(orphans.figures.rows).toBe(3)
    await at.put(key(back))
    const newKey = objectKey('mask', again, 1, 'webp')
    await at.put(newKey)
    await database().sql`update image_process_jobs set mask_path = ${newKey} where job_id = ${again}`
    expect(await orphans.execute({ signal })).toMatchObject({ objects: 0, rows: 1, left: 2 })
    expect(await statusOf(lost)).toEqual({ status: 'failed', error: 'STORE_OBJECT_MISSING' })
    for (const jobId of [back, again]) expect(await statusOf(jobId)).toMatchObject({ status: 'completed' })
  })

  it('spares a job that was completed again since, its objects being on their way', async () => {
    const jobId = await wholeJob()
    await at.store.remove([key(jobId)])
    const orphans = await plan()
    await database().sql`update image_process_jobs set completed_at = now() where job_id = ${jobId}`
    expect(await orphans.execute({ signal })).toMatchObject({ rows: 0, left: 1 })
  })

  it('counts a job once, however many of its objects are gone', async () => {
    const jobId = await wholeJob()
    await at.store.remove((await at.keys()).filter((each) => each.includes(jobId)))
    const orphans = await plan()
    expect(orphans.figures).toMatchObject({ objects: 0, rows: 1 })
    expect(await orphans.execute({ signal })).toMatchObject({ rows: 1, left: 0 })
  })

  it('spares an original while a job shares it, whether its own job is there, done again or gone', async () => {
    const owners = [await wholeJob(), await wholeJob(), await wholeJob()]
    for (const owner of owners) await wholeJob({ sharesWith: owner })
    const [, again, gone] = owners
    const { sql } = database()
    const second = objectKey('original', again!, 2, 'jpg')
    await at.put(second)
    await sql`update image_process_jobs set original_path = ${second} where job_id = ${again!}`
    const sharer = await wholeJob({ sharesWith: gone! })
    const before = await at.keys()
    await sql`delete from image_process_jobs where job_id = ${gone!}`
    const orphans = await plan()
    expect(orphans.figures).toMatchObject({ completed: 6, objects: 2, rows: 0 })
    await orphans.execute({ signal })
    const left = await at.keys()
    expect(left).toContain(objectKey('original', gone!, 1, 'jpg'))
    expect(before.filter((each) => !left.includes(each)).every((each) => each.includes(gone!))).toBe(true)
    await sql`delete from image_process_jobs where original_path = ${objectKey('original', gone!, 1, 'jpg')}`
    expect((await plan()).figures).toMatchObject({ objects: 5, rows: 0 })
    expect(await statusOf(sharer)).toBeUndefined()
  })

  it('spares an original that somebody shares since it was planned', async () => {
    const owner = await wholeJob()
    await database().sql`delete from image_process_jobs where job_id = ${owner}`
    const orphans = await plan()
    expect(orphans.figures).toMatchObject({ objects: 3 })
    const original = objectKey('original', owner, 1, 'jpg')
    const sharer = await wholeJob()
    await database().sql`update image_process_jobs set original_path = ${original} where job_id = ${sharer}`
    expect(await orphans.execute({ signal })).toMatchObject({ objects: 2, left: 1 })
    expect(await at.keys()).toContain(original)
  })

  it('fails every job of a lost original once, whatever else they lack', async () => {
    const owner = await wholeJob()
    const sharers = [await wholeJob({ sharesWith: owner }), await wholeJob({ sharesWith: owner })]
    await at.store.remove([objectKey('original', owner, 1, 'jpg'), key(sharers[1])])
    const orphans = await plan()
    expect(orphans.figures).toMatchObject({ completed: 3, objects: 0, rows: 3 })
    expect(await orphans.execute({ signal })).toMatchObject({ rows: 3, left: 0 })
    for (const jobId of [owner, ...sharers]) expect(await statusOf(jobId)).toMatchObject({ status: 'failed' })
  })

  it('refuses to be carried out over its share of all objects, which it is measured by itself', async () => {
    await wholeJob()
    await at.put(key())
    const orphans = await plan({ maxShare: 20 })
    expect(() => orphans.assertAllowed()).toThrow(/1 of 4 objects \(25.0%\) have no job here/)
    await wholeJob()
    await expect(orphans.execute({ signal })).rejects.toMatchObject({ code: 'REFUSED' })
    expect(await at.keys()).toHaveLength(7)
  })

  it('refuses to fail more than its share of all completed jobs: the store may be another one', async () => {
    await wholeJob()
    const lost = await wholeJob()
    await makeJob(database().sql, { ageDays: 2, status: 'failed' })
    await at.store.remove([key(lost)])
    const orphans = await plan({ maxShare: 20 })
    expect(orphans.figures).toMatchObject({ completed: 2, rows: 1 })
    expect(() => orphans.assertAllowed()).toThrow(
      /1 of 2 completed jobs \(50.0%\) lack an object in the store/,
    )
    await expect(orphans.execute({ signal })).rejects.toMatchObject({ code: 'REFUSED' })
    expect(await statusOf(lost)).toMatchObject({ status: 'completed' })
    const kept = await plan({ maxShare: 20, keepRows: true })
    expect(() => kept.assertAllowed()).not.toThrow()
    expect(await (await plan({ maxShare: 50 })).execute({ signal })).toMatchObject({ rows: 1 })
  })

  it('plans only what it may change, and nothing young or foreign', async () => {
    const jobId = await wholeJob()
    await at.store.remove([key(jobId)])
    const lost = uuidv7()
    await at.put(key(lost))
    await at.put(key(), { days: 0 })
    const misplaced = `mask/1999/01/01/${lost}.png`
    for (const foreign of ['original/readme.txt', misplaced]) await at.put(foreign)
    const shown: string[] = []
    const onOrphan = (orphan: Orphan | { type: 'foreign'; key: string }) => shown.push(orphan.type)
    expect((await plan({ keepObjects: true, onOrphan })).figures).toMatchObject({
      objects: 0,
      rows: 1,
      foreign: 2,
    })
    expect((await plan({ keepRows: true, onOrphan })).figures).toMatchObject({ objects: 1, rows: 0 })
    expect(shown.sort()).toEqual(['foreign', 'foreign', 'foreign', 'foreign', 'object', 'row'])
    await (await plan()).execute({ signal })
    expect(await at.keys()).toEqual(expect.arrayContaining(['original/readme.txt', misplaced]))
    expect(await at.keys()).not.toContain(key(lost))
  })

  it('stops between two batches', async () => {
    await at.put(key())
    const orphans = await plan()
    expect(await orphans.execute({ signal: AbortSignal.abort() })).toEqual({
      ...{ objects: 0, bytes: 0, rows: 0, left: 0, interrupted: true },
    })
    expect(await at.keys()).toHaveLength(1)
  })

  it('trusts no age while the store is in the future', async () => {
    await at.put(objectKey('original', uuidv7(), 1, 'png'), { days: -1 })
    await expect(plan()).rejects.toMatchObject({ code: 'REFUSED', message: /written in the future/ })
  })
})
