/** A log that an older release has written, and is writing, is migrated as it is. */
import { createHash, randomBytes } from 'node:crypto'
import { v7 as uuidv7 } from 'uuid'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { connectServer } from '../../src/database/connect.ts'
import type { Database } from '../../src/database/contract.ts'
import { claimJob, completeJob, findCompletedBySource, findJobOfFile } from '../../src/database/jobs.ts'
import { applyMigrations, shippedMigrations } from '../../src/database/migrate.ts'
import { foldUsage, usageBy, usageTotal } from '../../src/database/usage.ts'
import { objectKinds } from '../../src/store/contract.ts'
import { describeWith, freshDatabase } from '../support/servers.ts'

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const fingerprint = sha256('parameters')
const run = { id: uuidv7(), owner: 'host/0/0 1 1', leaseMs: 60_000 }

const file = (name: string) => ({
  source: { path: `/photos/${name}.jpg`, size: 1000, mtimeNs: 5n },
  contentSha256: sha256(name),
})

const request = (name: string) => ({
  ...file(name),
  ...{ jobId: uuidv7(), fingerprint, params: { model: { name: 'backdrop' } }, keep: objectKinds },
  ...{ userId: 'anna', imageWidth: 4, imageHeight: 3, fileSizeKb: 1, run, tags: [], force: false },
  originalPath: (id: string, attempt: number) => `original/${id}-${attempt}.jpg`,
})

const completion = (jobId: string) => ({
  ...{ jobId, attempt: 1, runId: run.id, sharesOriginal: false },
  ...{ originalPath: `original/${jobId}-1.jpg`, maskPath: 'm', processedPath: 'p' },
  ...{ originalBytes: 1000, maskBytes: 10, processedBytes: 500, processingTimeMs: 12 },
  ...{ maskSha256: sha256(`mask ${jobId}`), processedSha256: sha256(`cut-out ${jobId}`) },
  ...{ executionProvider: 'cpu', review: { reasons: [] }, params: { model: { name: 'backdrop' } } },
})

describeWith('RMBG_TEST_DATABASE_URL')('a log before the functions of 0030', () => {
  let database: Database
  let drop: () => Promise<void>
  beforeAll(async () => {
    const fresh = await freshDatabase()
    drop = fresh.drop
    database = connectServer(fresh.url)
    const shipped = await shippedMigrations()
    await applyMigrations(database, { shipped: shipped.filter(({ name }) => name < '0022') })
  })
  afterAll(async () => {
    await database.close()
    await drop()
  })

  /** As releases before 0030 asked for it. */
  async function claimAsBefore(name: string): Promise<string> {
    const { source, run, tags, ...wanted } = request(name)
    const sent = database.sql.json({
      ...wanted,
      ...{ runId: run.id, owner: run.owner, leaseMs: run.leaseMs, originalPath: 'original/o.jpg' },
      ...{ sourcePath: source.path, sourceSize: source.size, sourceMtimeNs: String(source.mtimeNs) },
    } as never)
    const [claim] = await database.sql`select state, (job).job_id as id from claim_job(${sent}, null)`
    expect(claim!.state).toBe('claimed')
    return claim!.id
  }

  async function completeAsBefore(jobId: string): Promise<void> {
    const { maskSha256, processedSha256 } = completion(jobId)
    await database.sql`
      with lease as (delete from job_leases where job_id = ${jobId} returning job_id), job as (
        update image_process_jobs j set status = 'completed', completed_at = clock_timestamp(), mask_path = 'm',
          processed_path = 'p', original_bytes = 1000, mask_bytes = 10, processed_bytes = 500, processing_time_ms = 12,
          mask_sha256 = decode(${maskSha256}, 'hex'), processed_sha256 = decode(${processedSha256}, 'hex')
        from lease where j.job_id = lease.job_id returning j.*
      )
      insert into known_sources (path_md5, fingerprint, source_size, source_mtime_ns, job_id)
      select md5(source_path)::uuid, fingerprint, source_size, source_mtime_ns, job_id from job`
  }

  it('is migrated while an older run goes on, which is told to end, and neither loses anything', async () => {
    const { sql } = database
    const done = await claimAsBefore('done')
    await completeAsBefore(done)
    const inWork = await claimAsBefore('in work')
    const written: string[] = []
    const olderRun = (async () => {
      for (;;) {
        const jobId = await claimAsBefore(randomBytes(8).toString('hex'))
        await completeAsBefore(jobId)
        written.push(jobId)
      }
    })()
    const end = olderRun.catch((error: Error) => error.message)
    await expect.poll(() => written.length).toBeGreaterThan(3)
    await applyMigrations(database)
    // It was between a claim and an end, or between two images, or is to ask again.
    expect(await end).toMatch(
      /deadlock detected|earlier release|"job_leases" does not exist|only_what_has_ended/,
    )
    await expect(claimAsBefore('later')).rejects.toThrow('This run is of an earlier release')

    expect(await claimJob(sql, request('in work'))).toMatchObject({ state: 'held', jobId: inWork })
    expect(await completeJob(sql, completion(inWork))).toBe(true)
    expect(await claimJob(sql, request('done'))).toMatchObject({ state: 'completed', job: { jobId: done } })
    const known = await findCompletedBySource(sql, request('done'), [
      file('done').source,
      file('in work').source,
    ])
    expect(known.map((job) => job?.jobId)).toEqual([done, inWork])
    expect(await findJobOfFile(sql, sha256(`mask ${done}`))).toMatchObject({ made: 'mask' })
    await foldUsage(sql)
    expect(await usageTotal(sql, { from: '2020-01-01', to: '2100-01-01' })).toMatchObject({
      completed: written.length + 2,
      storedBytes: (written.length + 2) * 1510,
    })
    const invalid = await sql`select 1 from pg_index where not indisvalid`
    expect(invalid).toHaveLength(0)
  })
})

describeWith('RMBG_TEST_DATABASE_URL')('a log whose jobs were rows before they ended', () => {
  it('gives them to open_jobs with all they have, and ends those of an older run as it asks', async () => {
    const fresh = await freshDatabase()
    const database = connectServer(fresh.url)
    onTestFinished(async () => {
      await database.close()
      await fresh.drop()
    })
    const { sql } = database
    const shipped = await shippedMigrations()
    await applyMigrations(database, { shipped: shipped.filter(({ name }) => name < '0034') })
    await sql`insert into tags (name) values ('spring')`
    const claim = async (name: string) => {
      const { source, run, tags, ...wanted } = request(name)
      const sent = {
        ...wanted,
        ...{
          runId: run.id,
          owner: run.owner,
          leaseMs: run.leaseMs,
          originalPath: `original/${wanted.jobId}-1.jpg`,
        },
        ...{ sourcePath: source.path, sourceSize: source.size, sourceMtimeNs: String(source.mtimeNs) },
      }
      const [claimed] = await sql`select (job).job_id as id from claim_jobs(${sql.json([sent] as never)})`
      await sql`insert into image_tags select ${claimed!.id}, tag_id from tags`
      return claimed!.id as string
    }
    const [inWork, left, lost] = [await claim('in work'), await claim('left'), await claim('lost')]
    await completeJob(sql, completion(lost))
    await sql`update image_process_jobs set status = 'failed', error_message = 'Lost.' where job_id = ${lost}`
    const [again] = await sql`
      update image_process_jobs set status = 'processing', attempt = 2, error_message = null
      where job_id = ${lost} returning created_at`
    await sql`
      insert into job_leases select job_id, run_id, gen_random_uuid(), 'host/0/0 1 1', now() + interval '1 hour'
      from image_process_jobs where job_id = ${lost}`
    await sql`delete from job_leases where job_id = ${left}`
    await sql`update image_process_jobs set status = 'pending' where job_id = ${left}`

    await applyMigrations(database)

    const rows = await sql`select job_id, status, attempt from all_jobs order by created_at`
    expect(rows).toEqual([
      { job_id: inWork, status: 'processing', attempt: 1 },
      { job_id: left, status: 'pending', attempt: 1 },
      { job_id: lost, status: 'processing', attempt: 2 },
    ])
    expect(await findJobOfFile(sql, sha256(`cut-out ${lost}`)), 'known by its digest').toBeDefined()
    expect(await claimJob(sql, request('left'))).toMatchObject({ state: 'claimed', jobId: left, attempt: 2 })
    // That run sent no parameters: they are in the row.
    for (const [jobId, attempt] of [
      [inWork, 1],
      [left, 2],
      [lost, 2],
    ] as const)
      expect(await completeJob(sql, { ...completion(jobId), attempt, params: undefined as never })).toBe(true)
    const done = await sql`
      select job_id, status, created_at, params -> 'model' ->> 'name' as model,
        array(select name from tags join image_tags t using (tag_id) where t.job_id = j.job_id) as tags
      from image_process_jobs j order by created_at`
    expect(done.map(({ job_id, status, model, tags }) => [job_id, status, model, tags])).toEqual(
      [inWork, left, lost].map((jobId) => [jobId, 'completed', 'backdrop', '{spring}']),
    )
    expect(done[2]!.created_at).toEqual(again!.created_at)
    const period = { from: '2020-01-01', to: '2100-01-01' }
    expect(await usageTotal(sql, period)).toMatchObject({ completed: 3, failed: 0 })
    expect(await usageBy(sql, 'tag', period, 9)).toMatchObject([{ value: 'spring', completed: 3, failed: 0 }])
    const late = expect.stringContaining('earlier release')
    await expect(claim('another')).rejects.toMatchObject({ message: late })
  })
})
