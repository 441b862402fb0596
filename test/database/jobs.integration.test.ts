import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { v7 as uuidv7 } from 'uuid'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { connectServer } from '../../src/database/connect.ts'
import type { Database } from '../../src/database/contract.ts'
import {
  type ClaimRequest,
  claimJob,
  completeJob,
  failJob,
  findCompletedBySource,
  findCompletedJob,
  findJobOfCutout,
  findMaskedContent,
  findMaskedJob,
  findNamedBySource,
  recordFailure,
} from '../../src/database/jobs.ts'
import { releaseJobs, renewLeases } from '../../src/database/leases.ts'
import { knownJobs } from '../../src/database/logged-objects.ts'
import { findJobs } from '../../src/database/query.ts'
import { neededOriginals } from '../../src/database/shared-originals.ts'
import { tagJobs, untagJobs } from '../../src/database/tags.ts'
import { retireJobs } from '../../src/database/tombstones.ts'
import { usageBy } from '../../src/database/usage.ts'
import { upsertUser } from '../../src/database/users.ts'
import { queryJobs } from '../../src/jobs/pages.ts'
import { objectKinds } from '../../src/store/contract.ts'
import { processOwner } from '../../src/system/owner.ts'
import { completion, request, sha256, someRun } from '../support/claims.ts'
import { describeWith, migratedDatabase } from '../support/servers.ts'
import { onBothDatabases } from './databases.ts'
import { startProxy } from './proxy.ts'

async function row(database: Database, jobId: string) {
  const [found] = await database.sql`select * from all_jobs where job_id = ${jobId}`
  return found!
}

async function claimed(database: Database, wanted: ClaimRequest): Promise<string> {
  const claim = await claimJob(database.sql, wanted)
  expect(claim.state).toBe('claimed')
  return (claim as { jobId: string }).jobId
}

onBothDatabases('a claim', (database) => {
  it('of something new inserts a job in work, leased to the run', async () => {
    const wanted = request()
    expect(await claimJob(database().sql, wanted)).toEqual({
      state: 'claimed',
      jobId: wanted.jobId,
      attempt: 1,
    })
    expect(await row(database(), wanted.jobId)).toMatchObject({
      status: 'processing',
      original_path: `original/${wanted.jobId}-1.jpg`,
      source_mtime_ns: '1700000000123456789',
      params: { model: { name: 'backdrop' } },
    })
  })

  it('of completed content gives that job, and the file is known by path, size and time from then on', async () => {
    const first = request()
    const jobId = await claimed(database(), first)
    expect(await completeJob(database().sql, completion(jobId, first.run))).toBe(true)
    const copy = request({ contentSha256: first.contentSha256 })
    const sources = [
      first.source,
      copy.source,
      { ...first.source, mtimeNs: 1n },
      { ...first.source, size: 1 },
    ]
    const ids = async () =>
      (await findCompletedBySource(database().sql, first, sources)).map((job) => job?.jobId)
    expect(await ids()).toEqual([jobId, undefined, undefined, undefined])
    expect(await claimJob(database().sql, copy)).toMatchObject({
      state: 'completed',
      job: {
        jobId,
        processedPath: `processed/${jobId}-1.png`,
        processedBytes: 500,
        processedSha256: sha256('processed'),
      },
    })
    expect(await ids()).toEqual([jobId, jobId, undefined, undefined])
    const kept = await findCompletedJob(database().sql, jobId)
    const { originalPath, maskPath, processedPath, review } = kept!
    const named = { jobId, originalPath, maskPath, processedPath, review }
    expect(await findCompletedBySource(database().sql, first, sources)).toEqual([
      kept,
      kept,
      undefined,
      undefined,
    ])
    expect(await findNamedBySource(database().sql, first, sources)).toEqual([
      named,
      named,
      undefined,
      undefined,
    ])
    expect(
      await findCompletedBySource(database().sql, { ...first, fingerprint: sha256('other parameters') }, [
        first.source,
      ]),
    ).toEqual([undefined])
  })

  it('of completed content of which less was kept than is wanted is a new job, and of more is none', async () => {
    const first = request({ keep: ['processed'] })
    const jobId = await claimed(database(), first)
    const less = { originalPath: null, maskPath: null }
    expect(await completeJob(database().sql, { ...completion(jobId, first.run), ...less })).toBe(true)
    expect(await row(database(), jobId)).toMatchObject({ kept: '{processed}', mask_path: null })
    expect(await findCompletedJob(database().sql, jobId)).toMatchObject({ ...less, processedBytes: 500 })
    expect(await findMaskedContent(database().sql, first.contentSha256)).toBeUndefined()
    const found = async (keep: ClaimRequest['keep']) =>
      (await findCompletedBySource(database().sql, { ...first, keep }, [first.source]))[0]?.jobId
    expect([await found([]), await found(['processed'])]).toEqual([jobId, jobId])
    expect(await found(['mask', 'processed'])).toBeUndefined()
    expect(await claimJob(database().sql, { ...first, jobId: uuidv7(), keep: [] })).toMatchObject({
      state: 'completed',
      job: { jobId, originalPath: null, processedPath: `processed/${jobId}-1.png` },
    })
    const all = { ...first, jobId: uuidv7(), keep: objectKinds }
    expect(await claimed(database(), all)).toBe(all.jobId)
    await completeJob(database().sql, completion(all.jobId, all.run))
    expect([await found(objectKinds), await found([])]).toEqual([all.jobId, all.jobId])
  })

  it('of completed content with force, or with other parameters, is a new job', async () => {
    const first = request()
    await completeJob(database().sql, completion(await claimed(database(), first), first.run))
    const again = { ...first, jobId: uuidv7(), force: true }
    expect(await claimed(database(), again)).toBe(again.jobId)
    const other = { ...first, jobId: uuidv7(), fingerprint: sha256('others') }
    expect(await claimed(database(), other)).toBe(other.jobId)
  })

  it('of what a live run holds is refused, also within that run', async () => {
    const first = request()
    await claimed(database(), first)
    for (const run of [first.run, someRun()]) {
      expect(await claimJob(database().sql, { ...first, jobId: uuidv7(), run, force: true })).toMatchObject({
        state: 'held',
        jobId: first.jobId,
      })
    }
  })

  it('repeated because its acknowledgement was lost is the same claim', async () => {
    const first = request()
    await claimed(database(), first)
    expect(await claimJob(database().sql, first)).toEqual({
      state: 'claimed',
      jobId: first.jobId,
      attempt: 1,
    })
  })

  it.each([
    ['whose lease has ended', { leaseMs: -1 }],
    ['whose process is gone', { owner: processOwner().replace(/ \d+ /, ' 4194305 ') }],
    ['whose pid is another process now', { owner: processOwner().replace(/ \d+$/, ' 1') }],
  ])('takes over a job of a run %s, under the same id', async (_, dead) => {
    const first = request({ run: someRun(dead) })
    await claimed(database(), first)
    const next = { ...first, jobId: uuidv7(), run: someRun() }
    expect(await claimJob(database().sql, next)).toEqual({ state: 'claimed', jobId: first.jobId, attempt: 2 })
    expect(
      await completeJob(database().sql, completion(first.jobId, first.run)),
      'the dead one woke up',
    ).toBe(false)
    expect(await completeJob(database().sql, completion(first.jobId, next.run, 2))).toBe(true)
  })

  it('names the original of its own attempt, and the completed row keeps that of the attempt that did it', async () => {
    const first = request({ run: someRun({ leaseMs: -1 }) })
    await claimed(database(), first)
    const next = { ...first, jobId: uuidv7(), run: someRun() }
    await claimed(database(), next)
    const original = async () => (await row(database(), first.jobId)).original_path
    expect(await original()).toBe(`original/${first.jobId}-2.jpg`)
    const done = { ...completion(first.jobId, next.run, 2), originalPath: `original/${first.jobId}-2.png` }
    expect(await completeJob(database().sql, done)).toBe(true)
    expect(await original()).toBe(`original/${first.jobId}-2.png`)
  })

  it('that a run makes again, having lost it, is not ended by its earlier attempt', async () => {
    const run = someRun({ leaseMs: -1 })
    const first = request({ run })
    await claimed(database(), first)
    const other = { ...first, jobId: uuidv7(), run: someRun() }
    await claimed(database(), other)
    await releaseJobs(database().sql, other.run.id)
    expect(await claimJob(database().sql, { ...first, jobId: uuidv7() })).toMatchObject({ attempt: 3 })
    const failure = { params: {}, errorCode: 'INPUT_CORRUPT', errorMessage: 'Bad.' } as const
    const { jobId } = first
    const ended = { jobId, attempt: 1, runId: run.id, ...failure }
    expect(await completeJob(database().sql, completion(jobId, run, 1))).toBe(false)
    expect(await failJob(database().sql, ended)).toBe(false)
    expect(await row(database(), jobId)).toMatchObject({ status: 'processing', attempt: 3 })
    expect(await completeJob(database().sql, completion(jobId, run, 3))).toBe(true)
    expect(await completeJob(database().sql, completion(jobId, run, 1))).toBe(false)
    expect(await failJob(database().sql, ended)).toBe(false)
    expect(await row(database(), jobId)).toMatchObject({
      status: 'completed',
      mask_path: `mask/${jobId}-3.png`,
    })
  })

  it('of 20 at the same moment is won by exactly one', async () => {
    const first = request()
    const claims = await Promise.all(
      Array.from({ length: 20 }, () =>
        claimJob(database().sql, { ...first, jobId: uuidv7(), run: someRun() }),
      ),
    )
    expect(claims.map(({ state }) => state).sort()).toEqual(['claimed', ...Array(19).fill('held')])
  })

  it('uses the failed row of the same file again', async () => {
    const first = request()
    const jobId = await claimed(database(), first)
    const failure = { params: {}, errorCode: 'INPUT_CORRUPT', errorMessage: 'Bad.' } as const
    const failed = { jobId, attempt: 1, runId: first.run.id, ...failure }
    expect(await failJob(database().sql, failed)).toBe(true)
    expect(await failJob(database().sql, failed), 'the answer was lost').toBe(true)
    expect(await row(database(), jobId)).toMatchObject({
      status: 'failed',
      error_code: 'INPUT_CORRUPT',
      error_message: 'Bad.',
    })
    const again = { ...first, jobId: uuidv7(), run: someRun() }
    expect(await claimJob(database().sql, again)).toEqual({ state: 'claimed', jobId, attempt: 2 })
    expect(await row(database(), jobId)).toMatchObject({
      status: 'processing',
      error_code: null,
      error_message: null,
    })
    expect(await failJob(database().sql, failed), 'that attempt is over').toBe(false)
    expect(await row(database(), jobId)).toMatchObject({ status: 'processing' })
    // Other content would leave the objects of the old one behind under this id.
    await failJob(database().sql, { jobId, attempt: 2, runId: again.run.id, ...failure })
    const changed = { ...again, jobId: uuidv7(), contentSha256: sha256(jobId) }
    expect(await claimed(database(), changed)).toBe(changed.jobId)
  })
})

onBothDatabases('a job that failed and is taken up again', (database) => {
  const failedOnce = async (changes: Partial<ClaimRequest> = {}) => {
    const first = request(changes)
    const jobId = await claimed(database(), first)
    const failure = { params: {}, errorCode: 'INPUT_CORRUPT', errorMessage: 'Bad.' } as const
    await failJob(database().sql, { jobId, attempt: 1, runId: first.run.id, ...failure })
    return { jobId, again: { ...first, jobId: uuidv7(), run: someRun() } }
  }
  const shown = async (user: string, statuses?: string[]) => {
    const filter = { user, ...(statuses && { statuses }) }
    const { jobs } = await queryJobs(database().sql, filter, { limit: 9 })
    return jobs.map(({ jobId, status, attempt }) => ({ jobId, status, attempt }))
  }

  it('is shown once, as what it is now, and keeps its time', async () => {
    const { sql } = database()
    const { jobId, again } = await failedOnce({ userId: 'again-shown' })
    const [before] = await findJobs(sql, [jobId])
    await claimJob(sql, again)
    const open = [{ jobId, status: 'processing', attempt: 2 }]
    expect(await shown('again-shown')).toEqual(open)
    expect(await shown('again-shown', ['pending', 'processing'])).toEqual(open)
    expect(await shown('again-shown', ['failed'])).toEqual([])
    expect(await findJobs(sql, [jobId])).toMatchObject([{ status: 'processing', errorCode: null }])
    expect((await knownJobs(sql, [jobId])).get(jobId)).toMatchObject({ status: 'processing' })
    await completeJob(sql, completion(jobId, again.run, 2))
    expect(await shown('again-shown')).toEqual([{ jobId, status: 'completed', attempt: 2 }])
    expect(await findJobs(sql, [jobId])).toMatchObject([{ createdAt: before!.createdAt, errorCode: null }])
  })

  it('counts as failed until it has ended again, and once then', async () => {
    const { sql } = database()
    const { jobId, again } = await failedOnce({ userId: 'again-counted' })
    const counted = async () => {
      const users = await usageBy(sql, 'user', { from: '2020-01-01', to: '2100-01-01' }, 1000)
      const usage = users.find(({ value }) => value === 'again-counted')
      return [usage?.completed, usage?.failed]
    }
    await claimJob(sql, again)
    expect(await counted()).toEqual([0, 1])
    await completeJob(sql, completion(jobId, again.run, 2))
    expect(await counted()).toEqual([1, 0])
  })

  it('is pruned as an open one, with its row in the log', async () => {
    const { sql } = database()
    const { jobId, again } = await failedOnce()
    await claimJob(sql, { ...again, tags: ['of it'] })
    await releaseJobs(sql, again.run.id)
    const policy = { olderThan: {}, keepLast: undefined, filter: {} }
    const due = { before: new Date(Date.now() + 60_000).toISOString(), jobIds: [jobId], kept: false }
    expect(await retireJobs(sql, policy, { ...due, kind: 'failed' })).toMatchObject({ jobs: 0 })
    expect(await retireJobs(sql, policy, { ...due, kind: 'abandoned' })).toMatchObject({ jobs: 1 })
    expect(await findJobs(sql, [jobId])).toEqual([])
    for (const table of ['image_process_jobs', 'open_jobs', 'image_tags'])
      expect(await sql`select 1 from ${sql(table)} where job_id = ${jobId}`, table).toEqual([])
  })

  it('is of nobody else: another content of its file, or a failure before the claim, is another job', async () => {
    const { sql } = database()
    const unreadable = request()
    const failure = { ...unreadable, errorCode: 'INPUT_UNREADABLE', errorMessage: 'No.' } as const
    const jobId = await recordFailure(sql, failure)
    expect(await claimJob(sql, { ...unreadable, jobId: uuidv7() })).toMatchObject({ jobId, attempt: 2 })
    const changed = { ...unreadable, jobId: uuidv7(), contentSha256: sha256(jobId) }
    expect(await claimJob(sql, changed)).toMatchObject({ jobId: changed.jobId, attempt: 1 })
    expect(await recordFailure(sql, { ...failure, jobId: uuidv7() })).not.toBe(jobId)
    expect(await row(database(), jobId)).toMatchObject({ status: 'processing', attempt: 2 })
  })
})

onBothDatabases('tags of a run', (database) => {
  const tagsOf = async (jobId: string) => (await findJobs(database().sql, [jobId]))[0]!.tags

  it('are on a job from its claim on, and stay when another run ends it', async () => {
    const { sql } = database()
    const first = request({ tags: ['spring', 'hero'] })
    await claimJob(sql, first)
    expect(await tagsOf(first.jobId)).toEqual(['hero', 'spring'])
    await tagJobs(sql, [first.jobId], ['by hand'])
    await releaseJobs(sql, first.run.id)
    const next = { ...first, jobId: uuidv7(), run: someRun(), tags: ['autumn'] }
    await claimJob(sql, next)
    const { jobs } = await queryJobs(sql, { tags: ['by hand'], statuses: ['processing'] }, { limit: 9 })
    expect(jobs.map(({ jobId }) => jobId)).toEqual([first.jobId])
    await completeJob(sql, completion(first.jobId, next.run, 2))
    expect(await tagsOf(first.jobId)).toEqual(['autumn', 'by hand', 'hero', 'spring'])
  })

  it('are those of a failed job too when it is taken up again, and count once when it ends', async () => {
    const { sql } = database()
    const name = `again ${uuidv7()}`
    const first = request({ tags: [name] })
    await claimJob(sql, first)
    const failure = { params: {}, errorCode: 'INPUT_CORRUPT', errorMessage: 'Bad.' } as const
    await failJob(sql, { jobId: first.jobId, attempt: 1, runId: first.run.id, ...failure })
    const again = { ...first, jobId: uuidv7(), run: someRun(), tags: ['more', 'less'] }
    await claimJob(sql, again)
    expect(await tagsOf(first.jobId)).toEqual([name, 'less', 'more'])
    const found = await queryJobs(sql, { tags: [name], exceptTags: ['none'] }, { limit: 9 })
    expect(found.jobs).toMatchObject([{ jobId: first.jobId, status: 'processing' }])
    expect((await queryJobs(sql, { exceptTags: [name] }, { limit: 1000 })).jobs).not.toContainEqual(
      expect.objectContaining({ jobId: first.jobId }),
    )
    await tagJobs(sql, [first.jobId], ['by hand'])
    expect(await untagJobs(sql, [first.jobId], ['less', 'by hand'])).toBe(2)
    const counted = async () => {
      const tags = await usageBy(sql, 'tag', { from: '2020-01-01', to: '2100-01-01' }, 1000)
      return tags.filter(({ value }) => value === name).map(({ completed, failed }) => [completed, failed])
    }
    expect(await counted()).toEqual([[0, 1]])
    await completeJob(sql, completion(first.jobId, again.run, 2))
    expect(await tagsOf(first.jobId)).toEqual([name, 'more'])
    expect(await counted()).toEqual([[1, 0]])
  })

  it('draw a value of the sequence only where they are new, and are on what failed before a claim', async () => {
    const { sql } = database()
    const failure = {
      ...request({ tags: ['drawn once'] }),
      errorCode: 'INPUT_EMPTY',
      errorMessage: 'x',
    } as const
    const jobId = await recordFailure(sql, failure)
    expect(await tagsOf(jobId)).toEqual(['drawn once'])
    const drawn = async () => (await sql`select last_value from tags_tag_id_seq`)[0]!.last_value
    const before = await drawn()
    await claimJob(sql, request({ tags: ['drawn once'] }))
    await recordFailure(sql, failure)
    expect(await drawn()).toEqual(before)
  })
})

onBothDatabases('the end of a job', (database) => {
  it('brings its parameters, of which only the model is known before', async () => {
    const { sql } = database()
    const params = { model: { name: 'rmbg-2.0', variant: 'fp16', guided: true }, format: 'webp' }
    const [done, failing] = [request({ params }), request({ params })]
    await Promise.all([claimJob(sql, done), claimJob(sql, failing)])
    const open = { model: { name: 'rmbg-2.0', variant: 'fp16' } }
    expect(await findJobs(sql, [done.jobId])).toMatchObject([{ model: 'rmbg-2.0', params: open }])
    await completeJob(sql, { ...completion(done.jobId, done.run), params })
    const failure = { errorCode: 'INPUT_CORRUPT', errorMessage: 'Bad.' } as const
    await failJob(sql, { jobId: failing.jobId, attempt: 1, runId: failing.run.id, params, ...failure })
    expect((await findJobs(sql, [done.jobId]))[0]!.params).toEqual({ ...params, provider: 'cpu' })
    expect((await findJobs(sql, [failing.jobId]))[0]!.params).toEqual(params)
  })

  it('completed records keys, sizes, digests and the provider in one statement, and may be repeated', async () => {
    const wanted = request()
    const jobId = await claimed(database(), wanted)
    expect(await completeJob(database().sql, completion(jobId, wanted.run))).toBe(true)
    expect(await completeJob(database().sql, completion(jobId, wanted.run))).toBe(true)
    const done = await row(database(), jobId)
    expect(done).toMatchObject({
      status: 'completed',
      mask_path: `mask/${jobId}-1.png`,
      execution_provider: 'cpu',
      processing_time_ms: 12,
      params: { model: { name: 'backdrop' }, format: 'png', provider: 'cpu' },
    })
    expect(done.completed_at >= done.created_at).toBe(true)
    expect(await database().sql`select 1 from open_jobs where job_id = ${jobId}`).toHaveLength(0)
  })

  it('completed is known by its id, and by the content of its cut-out even after its objects were lost', async () => {
    const wanted = request()
    const jobId = await claimed(database(), wanted)
    const digest = sha256(`cut-out of ${jobId}`)
    expect(await findCompletedJob(database().sql, jobId)).toBeUndefined()
    await completeJob(database().sql, { ...completion(jobId, wanted.run), processedSha256: digest })
    const { completed_at } = await row(database(), jobId)
    const known = { jobId, processedSha256: digest, completedAtMs: completed_at.getTime() }
    expect(await findCompletedJob(database().sql, jobId)).toMatchObject(known)
    expect(await findJobOfCutout(database().sql, digest)).toMatchObject(known)
    await database()
      .sql`update image_process_jobs set status = 'failed', error_message = 'Lost.' where job_id = ${jobId}`
    expect(await findCompletedJob(database().sql, jobId)).toBeUndefined()
    expect(await findJobOfCutout(database().sql, digest)).toMatchObject({ jobId })
  })

  it('failed before a claim is logged once per file, however often it is tried', async () => {
    const source = { path: `/photos/${randomBytes(4).toString('hex')}.jpg` }
    const failure = () => ({
      ...request(),
      source,
      errorCode: 'INPUT_EMPTY' as const,
      errorMessage: `Empty ${'x'.repeat(5000)}`,
    })
    const first = await recordFailure(database().sql, failure())
    expect(await recordFailure(database().sql, failure())).toBe(first)
    const failed = await row(database(), first)
    expect(failed).toMatchObject({ status: 'failed', attempt: 2, error_code: 'INPUT_EMPTY' })
    expect(failed.error_message.length).toBe(1000)
  })

  it('failed with halves of characters in its path and sentence is logged all the same', async () => {
    const failure = (path: string) => ({
      ...request(),
      source: { path },
      errorCode: 'INPUT_EMPTY' as const,
      errorMessage: `${'x'.repeat(998)}😀 is cut in two`,
    })
    const jobId = await recordFailure(
      database().sql,
      failure(`/photos/${randomBytes(4).toString('hex')}\uD800.jpg`),
    )
    const { source_path, error_message } = await row(database(), jobId)
    expect(source_path).toMatch(/\uFFFD\.jpg$/)
    expect(error_message).toMatch(/x\uFFFD…$/)
  })

  it("released by an interrupted run is pending and anybody's", async () => {
    const wanted = request()
    const jobId = await claimed(database(), wanted)
    await renewLeases(database().sql, wanted.run)
    await releaseJobs(database().sql, wanted.run.id)
    expect(await row(database(), jobId)).toMatchObject({ status: 'pending' })
    expect(await claimJob(database().sql, { ...wanted, jobId: uuidv7(), run: someRun() })).toMatchObject({
      jobId,
      attempt: 2,
    })
  })

  it('never leaves a completed row without its keys', async () => {
    const failure = { ...request(), errorCode: 'INPUT_EMPTY' as const, errorMessage: 'Empty.' }
    const jobId = await recordFailure(database().sql, failure)
    await expect(
      database().sql`update image_process_jobs set status = 'completed' where job_id = ${jobId}`,
    ).rejects.toThrow('completed_is_whole')
  })
})

onBothDatabases('ten jobs at once', (database) => {
  it('are claimed and completed in a few statements, each once, and what is wrong with one fails that one', async () => {
    const { sql } = database()
    const run = someRun()
    const wanted = Array.from({ length: 10 }, () => request({ run }))
    const twice = { ...wanted[3]!, jobId: uuidv7() }
    const claims = await Promise.all([...wanted, twice].map((each) => claimJob(sql, each)))
    expect(claims.map(({ state }) => state)).toEqual([...Array(10).fill('claimed'), 'held'])
    const done = await Promise.allSettled(
      wanted.map(({ jobId }, place) =>
        completeJob(sql, { ...completion(jobId, run), ...(place === 5 && { maskSha256: 'no hex' }) }),
      ),
    )
    expect(done.map(({ status }) => status)).toEqual(
      wanted.map((_, place) => (place === 5 ? 'rejected' : 'fulfilled')),
    )
    const statuses = await sql`select status from image_process_jobs where run_id = ${run.id} order by job_id`
    expect(statuses.filter(({ status }) => status === 'completed')).toHaveLength(9)
    expect(await completeJob(sql, completion(wanted[5]!.jobId, run))).toBe(true)
  })

  it('of which some were taken over are told so one by one', async () => {
    const { sql } = database()
    const run = someRun({ leaseMs: -1 })
    const wanted = Array.from({ length: 10 }, () => request({ run }))
    await Promise.all(wanted.map((each) => claimJob(sql, each)))
    const other = someRun()
    await Promise.all(
      wanted.slice(0, 5).map((each) => claimJob(sql, { ...each, jobId: uuidv7(), run: other })),
    )
    const done = await Promise.all(wanted.map(({ jobId }) => completeJob(sql, completion(jobId, run))))
    expect(done).toEqual([...Array(5).fill(false), ...Array(5).fill(true)])
  })
})

onBothDatabases('users and tags', (database) => {
  it('are made known once', async () => {
    await upsertUser(database().sql, 'anna')
    await upsertUser(database().sql, 'anna')
    expect(await database().sql`select username from users where user_id = 'anna'`).toEqual([
      { username: 'anna' },
    ])
    const wanted = request()
    const jobId = await claimed(database(), wanted)
    await Promise.all(
      [' spring', 'spring ', 'blue'].map((tag) => tagJobs(database().sql, [jobId], [tag, 'all'])),
    )
    const [job] = await findJobs(database().sql, [jobId])
    expect(job!.tags).toEqual(['all', 'blue', 'spring'])
    await expect(tagJobs(database().sql, [jobId], [' '])).rejects.toMatchObject({ code: 'USAGE' })
  })
})

onBothDatabases('on tables of many jobs', (database) => {
  it('every question of a run is answered from an index', async () => {
    const { sql, kind } = database()
    // The embedded database needs half a minute for rows enough that its planner prefers an index: it is told to.
    const count = kind === 'embedded' ? 1000 : 30_000
    if (kind === 'embedded') {
      await sql`set enable_seqscan = off`
      onTestFinished(async () => void (await sql`reset enable_seqscan`))
    }
    // The statistics of these rows are of no interest, and take most of the time.
    await sql`alter table image_process_jobs disable trigger user`
    await sql`
      insert into image_process_jobs (job_id, user_id, original_path, status, completed_at, mask_path, processed_path,
        source_path, source_size, source_mtime_ns, content_sha256, fingerprint, error_message, created_at)
      select id, 'user' || i % 50, 'original/' || id, case when i % 25 = 0 then 'failed' else 'completed' end,
        now(), 'm', 'p', '/p/' || i || '.jpg', i, i, sha256(i::text::bytea), sha256('f'), 'x', now() - i * interval '1 s'
      from (select gen_random_uuid() as id, i from generate_series(1, ${count}::int) i) made`
    await sql`alter table image_process_jobs enable trigger user`
    await sql`
      insert into known_sources select md5(source_path)::uuid, fingerprint, source_size, source_mtime_ns, job_id
      from image_process_jobs where status = 'completed' on conflict do nothing`
    await sql`analyze`
    const before = await sequentialScans(database())

    const run = someRun()
    const first = request({ run })
    // More often than the five times after which PostgreSQL keeps one plan for any values.
    for (let time = 0; time < 8; time++) {
      const wanted = request({ run })
      await completeJob(sql, completion(await claimed(database(), wanted), run))
      await claimJob(sql, { ...wanted, jobId: uuidv7() })
      await findCompletedBySource(sql, wanted, [wanted.source, first.source])
      expect(await findMaskedContent(sql, wanted.contentSha256)).toMatchObject({ source: wanted.source })
      expect(await findCompletedJob(sql, wanted.jobId)).toMatchObject({ jobId: wanted.jobId })
      expect(await findJobOfCutout(sql, sha256('processed'))).toMatchObject({ processedBytes: 500 })
      expect(await findJobOfCutout(sql, sha256('no cut-out'))).toBeUndefined()
      expect(await findMaskedJob(sql, wanted.jobId)).toMatchObject({ contentSha256: wanted.contentSha256 })
      const other = request({ run, contentSha256: wanted.contentSha256, fingerprint: sha256('others') })
      const otherId = await claimed(database(), other)
      const shared = completion(wanted.jobId, run).originalPath
      const sharing = { ...completion(otherId, run), originalPath: shared, sharesOriginal: true }
      expect(await completeJob(sql, sharing)).toBe(true)
      expect(await neededOriginals(sql, [{ key: shared!, jobId: wanted.jobId }])).toEqual(new Set([shared]))
      const failing = request({ run })
      const jobId = await claimed(database(), failing)
      await failJob(sql, {
        jobId,
        attempt: 1,
        runId: run.id,
        params: failing.params,
        errorCode: 'INPUT_CORRUPT',
        errorMessage: 'Bad.',
      })
      await claimJob(sql, { ...failing, jobId: uuidv7() })
      await recordFailure(sql, { ...request({ run }), errorCode: 'INPUT_EMPTY', errorMessage: 'Empty.' })
    }
    await renewLeases(sql, run)
    await releaseJobs(sql, run.id)

    expect(await sequentialScans(database())).toEqual(before)
  })
})

/** How often the large tables were read from end to end, as PostgreSQL itself counts it. */
async function sequentialScans({ sql }: Database): Promise<Record<string, number>> {
  // Each backend reports its own share, and only when it is asked to while it is idle between two statements.
  await Promise.all(Array.from({ length: 20 }, () => sql`select pg_stat_force_next_flush(), pg_sleep(0.01)`))
  await Promise.all(Array.from({ length: 20 }, () => sql`select pg_stat_clear_snapshot(), pg_sleep(0.01)`))
  const rows = await sql`
    select relname, seq_scan::int as scans from pg_stat_user_tables
    where relname in ('image_process_jobs', 'known_sources')`
  return Object.fromEntries(rows.map(({ relname, scans }) => [relname, scans]))
}

onBothDatabases('a claim at the very moment of a completion', (database) => {
  it('finds the work done or still in work, and never does it again', async () => {
    for (let round = 0; round < 400; round++) {
      const first = request()
      const jobId = await claimed(database(), first)
      const [, claim] = await Promise.all([
        completeJob(database().sql, completion(jobId, first.run)),
        claimJob(database().sql, { ...first, jobId: uuidv7(), run: someRun() }),
      ])
      expect(claim.state).toMatch(/^(completed|held)$/)
    }
  })
})

onBothDatabases('two runs that disagree whether one of them is dead', (database) => {
  it('never both complete the job, and never leave it undone', async () => {
    for (let round = 0; round < 30; round++) {
      const first = request({ run: someRun({ leaseMs: -1 }) })
      const jobId = await claimed(database(), first)
      const next = { ...first, jobId: uuidv7(), run: someRun() }
      const [completed, claim] = await Promise.all([
        completeJob(database().sql, completion(jobId, first.run)),
        claimJob(database().sql, next),
      ])
      expect(claim.state).toBe(completed ? 'completed' : 'claimed')
      const leases = await database().sql`select run_id from open_jobs where job_id = ${jobId}`
      expect(leases).toEqual(completed ? [] : [{ run_id: next.run.id }])
    }
  })
})

onBothDatabases('failures of one file told by many runs at once', (database) => {
  it('are one row', async () => {
    const wanted = request()
    const ids = await Promise.all(
      Array.from({ length: 10 }, () =>
        recordFailure(database().sql, {
          ...wanted,
          jobId: uuidv7(),
          run: someRun(),
          errorCode: 'INPUT_EMPTY',
          errorMessage: 'The file is\0empty.',
        }),
      ),
    )
    expect(new Set(ids).size).toBe(1)
    expect(await row(database(), ids[0]!)).toMatchObject({ attempt: 10, error_message: 'The file is empty.' })
  })

  it('leave completed and active rows of the file as they are', async () => {
    const done = request()
    await completeJob(database().sql, completion(await claimed(database(), done), done.run))
    const active = request({ source: done.source })
    await claimed(database(), active)
    const failure = {
      ...request({ source: done.source }),
      errorCode: 'INPUT_EMPTY' as const,
      errorMessage: 'Empty.',
    }
    const failed = await recordFailure(database().sql, failure)
    const rows = await database().sql`
      select job_id, status from all_jobs where source_path = ${done.source.path} order by created_at`
    expect(rows).toEqual([
      { job_id: done.jobId, status: 'completed' },
      { job_id: active.jobId, status: 'processing' },
      { job_id: failed, status: 'failed' },
    ])
  })

  it('end when it can be read: the row becomes its job, with the name its original deserves', async () => {
    const unreadable = request({ originalPath: (id, attempt) => `original/${id}-${attempt}.bin` })
    const failed = await recordFailure(database().sql, {
      ...unreadable,
      errorCode: 'INPUT_UNREADABLE',
      errorMessage: 'No permission.',
    })
    const readable = {
      ...unreadable,
      jobId: uuidv7(),
      originalPath: (id: string, attempt: number) => `original/${id}-${attempt}.png`,
    }
    expect(await claimJob(database().sql, readable)).toEqual({ state: 'claimed', jobId: failed, attempt: 2 })
    expect(await row(database(), failed)).toMatchObject({
      status: 'processing',
      original_path: `original/${failed}-2.png`,
      error_message: null,
    })
  })
})

describeWith('RMBG_TEST_DATABASE_URL')('over a connection that breaks', () => {
  let fresh: Awaited<ReturnType<typeof migratedDatabase>>
  beforeAll(async () => {
    fresh = await migratedDatabase()
  })
  afterAll(() => fresh.drop())

  const throughProxy = async (maxConnections: number) => {
    const proxy = await startProxy(fresh.url)
    const database = connectServer(proxy.url, { maxConnections })
    onTestFinished(() => database.close())
    return { proxy, database }
  }

  it('a claim and a completion whose answers were lost are found to have happened', async () => {
    const { proxy, database } = await throughProxy(1)
    const wanted = request()
    proxy.loseAnswerTo(wanted.jobId)
    expect(await claimJob(database.sql, wanted)).toEqual({
      state: 'claimed',
      jobId: wanted.jobId,
      attempt: 1,
    })
    proxy.loseAnswerTo(`mask/${wanted.jobId}`)
    expect(await completeJob(database.sql, completion(wanted.jobId, wanted.run))).toBe(true)
    expect(await row(database, wanted.jobId)).toMatchObject({ status: 'completed', attempt: 1 })
  })

  it('what one statement lost in the middle of its rows does not appear in the next', async () => {
    const database = connectServer(fresh.url, { maxConnections: 1 })
    onTestFinished(() => database.close())
    const wanted = request()
    await completeJob(database.sql, completion(await claimed(database, wanted), wanted.run))
    for (const statement of [
      'i / (50000 - i)',
      'case i when 50000 then pg_terminate_backend(pg_backend_pid()) end',
    ]) {
      const breaking = database.sql.unsafe(`select i, ${statement} from generate_series(1, 50001) i`)
      await expect(breaking).rejects.toThrow()
      const found = await findCompletedBySource(database.sql, wanted, [wanted.source])
      expect(found).toMatchObject([{ jobId: wanted.jobId }])
    }
  })

  it('a connection that ends before its first query does not end the process', async () => {
    const { proxy, database } = await throughProxy(1)
    proxy.loseAnswerTo('pg_catalog.pg_type')
    const wanted = request()
    expect(await claimJob(database.sql, wanted)).toMatchObject({ state: 'claimed', jobId: wanted.jobId })
  })

  it('40 jobs are all completed once, though the server is away twice', async () => {
    const { proxy, database } = await throughProxy(10)
    const run = someRun()
    const work = Promise.all(
      Array.from({ length: 40 }, async (_, index) => {
        await sleep(index * 50)
        const wanted = request({ run })
        const jobId = await claimed(database, wanted)
        await sleep(100)
        return completeJob(database.sql, completion(jobId, run))
      }),
    )
    for (const pause of [300, 700]) {
      await sleep(pause)
      await proxy.stop()
      await sleep(500)
      await proxy.start()
    }
    expect(await work).toEqual(Array(40).fill(true))
    const [count] = await database.sql`
      select count(*)::int as jobs, count(distinct content_sha256)::int as contents from image_process_jobs
      where run_id = ${run.id} and status = 'completed'`
    expect(count).toEqual({ jobs: 40, contents: 40 })
  })
})
