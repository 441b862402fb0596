/** A log that an older release has written, and is writing, is migrated as it is. */
import { createHash, randomBytes } from 'node:crypto'
import { v7 as uuidv7 } from 'uuid'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { connectServer } from '../../src/database/connect.ts'
import type { Database } from '../../src/database/contract.ts'
import { claimJob, completeJob, findCompletedBySource, findJobOfFile } from '../../src/database/jobs.ts'
import { applyMigrations, shippedMigrations } from '../../src/database/migrate.ts'
import { foldUsage, usageTotal } from '../../src/database/usage.ts'
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
  ...{ userId: 'anna', imageWidth: 4, imageHeight: 3, fileSizeKb: 1, run, force: false },
  originalPath: (id: string, attempt: number) => `original/${id}-${attempt}.jpg`,
})

const completion = (jobId: string) => ({
  ...{ jobId, attempt: 1, runId: run.id, sharesOriginal: false },
  ...{ originalPath: `original/${jobId}-1.jpg`, maskPath: 'm', processedPath: 'p' },
  ...{ originalBytes: 1000, maskBytes: 10, processedBytes: 500, processingTimeMs: 12 },
  ...{ maskSha256: sha256(`mask ${jobId}`), processedSha256: sha256(`cut-out ${jobId}`) },
  ...{ executionProvider: 'cpu', review: { reasons: [] } },
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
    const { source, run, ...wanted } = request(name)
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

  it('is migrated while an older run goes on, and neither loses anything', async () => {
    const { sql } = database
    const done = await claimAsBefore('done')
    await completeAsBefore(done)
    const inWork = await claimAsBefore('in work')
    const ended = new AbortController()
    const written: string[] = []
    const olderRun = (async () => {
      while (!ended.signal.aborted || written.length < 3) {
        const jobId = await claimAsBefore(randomBytes(8).toString('hex'))
        await completeAsBefore(jobId)
        written.push(jobId)
      }
    })()
    await applyMigrations(database)
    ended.abort()
    await olderRun

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
