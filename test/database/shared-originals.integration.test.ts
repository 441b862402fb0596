/** Originals of one content are stored once: who may name the original of another job, and when it may go. */
import { createHash, randomBytes } from 'node:crypto'
import { v7 as uuidv7 } from 'uuid'
import { beforeEach, expect, it } from 'vitest'
import { claimJob, completeJob } from '../../src/database/jobs.ts'
import type { KeptKind } from '../../src/database/kept.ts'
import { failForMissingObject } from '../../src/database/logged-objects.ts'
import { neededOriginals, sharedOriginals, sharingJobs } from '../../src/database/shared-originals.ts'
import { objectsByKind } from '../../src/database/stored-objects.ts'
import { dueTombstones, type PrunePolicy, retireJobs } from '../../src/database/tombstones.ts'
import { foldUsage, storedBytes } from '../../src/database/usage.ts'
import { objectKinds } from '../../src/store/contract.ts'
import { objectKey } from '../../src/store/keys.ts'
import { makeJob } from '../support/jobs.ts'
import { onBothDatabases } from './databases.ts'

const digest = (text: string) => createHash('sha256').update(text).digest('hex')
const policy: PrunePolicy = { olderThan: { completed: '0 seconds' }, keepLast: undefined, filter: {} }

onBothDatabases('an original that several jobs share', (database) => {
  beforeEach(async () => {
    await database()
      .sql`truncate image_process_jobs, open_jobs, tombstones, daily_usage, usage_changes cascade`
  })

  /** Claims a content with parameters of its own. */
  async function claim(content: string, { user = 'anna', keep = objectKinds as readonly KeptKind[] } = {}) {
    const run = { id: uuidv7(), owner: 'test', leaseMs: 60_000 }
    const claimed = await claimJob(database().sql, {
      jobId: uuidv7(),
      source: { path: `/photos/${content}.jpg`, size: 1000, mtimeNs: 1n },
      contentSha256: digest(content),
      fingerprint: randomBytes(32).toString('hex'),
      ...{ params: {}, keep, userId: user, run, tags: [], force: false },
      originalPath: (id, attempt) => objectKey('original', id, attempt, 'jpg'),
      ...{ imageWidth: 1, imageHeight: 1, fileSizeKb: 1 },
    })
    if (claimed.state !== 'claimed') throw new TypeError(claimed.state)
    const { jobId, attempt, stored } = claimed
    const complete = (original = objectKey('original', jobId, attempt, 'jpg')) =>
      completeJob(database().sql, {
        ...{
          jobId,
          attempt,
          runId: run.id,
          params: {},
          originalPath: keep.includes('original') ? original : null,
        },
        maskPath: keep.includes('mask') ? objectKey('mask', jobId, attempt, 'png') : null,
        processedPath: keep.includes('processed') ? objectKey('processed', jobId, attempt, 'png') : null,
        sharesOriginal: original === stored?.key,
        ...{ originalBytes: 1000, maskBytes: 10, processedBytes: 1 },
        ...{ maskSha256: digest('mask'), processedSha256: digest('cut-out') },
        ...{ processingTimeMs: 1, executionProvider: 'cpu', review: { reasons: [] } },
      })
    return { jobId, stored, complete }
  }
  const stored = async (content: string, more: Parameters<typeof claim>[1] = {}) => {
    const job = await claim(content, more)
    expect(await job.complete(job.stored?.key)).toBe(true)
    return job.jobId
  }
  const retire = (jobId: string) =>
    retireJobs(database().sql, policy, {
      ...{ kind: 'completed', before: '2999-01-01T00:00:00Z', jobIds: [jobId], kept: false },
    })
  const keyOf = (jobId: string) => objectKey('original', jobId, 1, 'jpg')
  const needed = (jobId: string) =>
    neededOriginals(database().sql, [{ key: keyOf(jobId), jobId }]).then((keys) => keys.has(keyOf(jobId)))
  const counted = async () => {
    await foldUsage(database().sql)
    const { original } = await storedBytes(database().sql)
    return { inStatistics: original, inLog: (await objectsByKind(database().sql)).original }
  }
  const once = { inStatistics: 1000, inLog: { objects: 1, bytes: 1000 } }

  it('is found by the next job of the same user, and of nobody else', async () => {
    const first = await claim('cup')
    expect(first.stored).toBeUndefined()
    await first.complete()
    expect((await claim('cup')).stored).toEqual({ key: keyOf(first.jobId), bytes: 1000 })
    expect((await claim('cup', { user: 'bert' })).stored).toBeUndefined()
    expect((await claim('jug')).stored).toBeUndefined()
  })

  it('is not found where it was not kept, or its job was not completed', async () => {
    await stored('cup', { keep: ['mask'] })
    await claim('cup')
    expect((await claim('cup')).stored).toBeUndefined()
  })

  it('completes no job when the last one that named it is gone', async () => {
    const first = await stored('cup')
    const second = await claim('cup')
    await retire(first)
    expect(await second.complete(second.stored!.key)).toBe(false)
    expect(await second.complete(), 'with an own one it does').toBe(true)
    expect(await needed(first)).toBe(false)
  })

  it('is needed until the last job that names it is gone, whoever stored it', async () => {
    const [first, second, third] = [await stored('cup'), await stored('cup'), await stored('cup')]
    await retire(first)
    expect(await needed(first)).toBe(true)
    await retire(third)
    expect(await needed(first)).toBe(true)
    await retire(second)
    expect(await needed(first)).toBe(false)
    const tombstones = await dueTombstones(database().sql, 10)
    expect(tombstones.map(({ keys }) => keys?.includes(keyOf(first)))).toEqual([true, true, true])
    expect(tombstones.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(1000 + 3 * 11)
  })

  it('counts once, for one of the jobs that are left', async () => {
    const [first, second, third] = [await stored('cup'), await stored('cup'), await stored('cup')]
    expect(await counted()).toEqual(once)
    await retire(first)
    expect(await counted()).toEqual(once)
    await failForMissingObject(database().sql, {
      ...{ jobId: second, key: objectKey('mask', second, 1, 'png'), before: '2999-01-01T00:00:00Z' },
    })
    expect(await counted()).toEqual(once)
    await retire(third)
    expect(await counted()).toEqual({ inStatistics: 0, inLog: { objects: 0, bytes: 0 } })
  })

  it('stays while a job is completed that was about to share it, however that meets a prune', async () => {
    for (let round = 0; round < 40; round++) {
      const content = `photo ${round}`
      const first = await stored(content)
      const second = await claim(content)
      const [isShared] = await Promise.all([second.complete(second.stored!.key), retire(first)])
      expect(await needed(first)).toBe(isShared)
      expect((await counted()).inLog.objects).toBe(isShared ? 1 : 0)
      if (isShared) await retire(second.jobId)
    }
  })

  it('stays for a tombstone whose objects are to stay', async () => {
    const { sql } = database()
    const first = await makeJob(sql)
    const second = await makeJob(sql, { sharesWith: first })
    const options = { kind: 'completed', before: '2999-01-01T00:00:00Z' } as const
    await retireJobs(sql, policy, { ...options, jobIds: [second], kept: true })
    await retireJobs(sql, policy, { ...options, jobIds: [first], kept: false })
    expect(await needed(first)).toBe(true)
  })

  it('is listed in the order of keys with each job that names it', async () => {
    const { sql } = database()
    const owners = [await makeJob(sql, { ageDays: 3 }), await makeJob(sql, { ageDays: 1 })]
    const sharing: [string, string][] = []
    for (const owner of [...owners, ...owners].reverse())
      sharing.push([keyOf(owner), await makeJob(sql, { sharesWith: owner })])
    await makeJob(sql, { sharesWith: owners[0]!, kept: ['mask'] })
    const expected = sharing.sort()
    for (const listing of [sharingJobs(sql), sharedOriginals(sql)]) {
      const found: [string, string][] = []
      for await (const { key, jobId } of listing) found.push([key, jobId])
      expect(found).toEqual(expected)
    }
  })
})
