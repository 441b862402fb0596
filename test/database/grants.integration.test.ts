/** Roles besides the owner: what a writer and a reader may do, and what they may not, on a real server. */
import { randomBytes } from 'node:crypto'
import type postgres from 'postgres'
import { v7 as uuidv7 } from 'uuid'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { connectServer } from '../../src/database/connect.ts'
import type { ServerDatabase } from '../../src/database/contract.ts'
import {
  assertMayRun,
  closeFunctions,
  furtherRights,
  grantRoles,
  grantStatements,
} from '../../src/database/grants.ts'
import { installationOf } from '../../src/database/installation.ts'
import { claimJob, completeJob, failJob, recordFailure } from '../../src/database/jobs.ts'
import { releaseJobs, renewLeases } from '../../src/database/leases.ts'
import { applyMigrations } from '../../src/database/migrate.ts'
import { findJobs } from '../../src/database/query.ts'
import { tagJobs } from '../../src/database/tags.ts'
import { foldUsage, storedBytes, usageTotal } from '../../src/database/usage.ts'
import { upsertUser } from '../../src/database/users.ts'
import { completion, request, sha256 } from '../support/claims.ts'
import { describeWith, freshDatabase } from '../support/servers.ts'

describeWith('RMBG_TEST_DATABASE_URL')('roles', () => {
  const suffix = randomBytes(4).toString('hex')
  const roles = { writer: `writer "${suffix}`, reader: `reader ${suffix}`, nobody: `nobody_${suffix}` }
  let owner: ServerDatabase
  let writer: postgres.Sql
  let reader: postgres.Sql
  let nobody: postgres.Sql
  const opened: (() => Promise<void>)[] = []

  beforeAll(async () => {
    const { url, drop } = await freshDatabase()
    owner = connectServer(url)
    opened.push(() => owner.close())
    const as = (role: string) => {
      const address = new URL(url)
      address.username = encodeURIComponent(role)
      const database = connectServer(address.href, { maxConnections: 2 })
      opened.unshift(() => database.close())
      return database.sql
    }
    await applyMigrations(owner)
    for (const role of Object.values(roles)) await owner.sql`create role ${owner.sql(role)} login`
    await grantRoles(owner.sql, { writers: [roles.writer], readers: [roles.reader] })
    writer = as(roles.writer)
    reader = as(roles.reader)
    nobody = as(roles.nobody)
    opened.push(async () => {
      await drop()
      const server = connectServer(process.env.RMBG_TEST_DATABASE_URL as string, { maxConnections: 1 })
      for (const role of Object.values(roles)) await server.sql`drop role ${server.sql(role)}`
      await server.close()
    })
  })
  afterAll(async () => {
    for (const close of opened) await close()
  })

  it('a writer does everything that a run does', async () => {
    await assertMayRun(writer)
    await upsertUser(writer, 'anna')
    await upsertUser(writer, 'anna')
    const origin = async () => owner.origin()
    const { id } = await installationOf({ sql: writer, location: 'here', origin })
    expect((await installationOf({ sql: owner.sql, location: 'here', origin })).id).toBe(id)
    const done = request()
    expect(await claimJob(writer, done)).toMatchObject({ state: 'claimed' })
    await tagJobs(writer, [done.jobId], ['spring', `new ${suffix}`])
    await renewLeases(writer, done.run)
    expect(await completeJob(writer, completion(done.jobId, done.run))).toBe(true)
    // Another job of the same content shares its original, which takes a lock that a reader may not take.
    const other = request({ contentSha256: done.contentSha256, fingerprint: sha256('other') })
    const claim = await claimJob(writer, other)
    expect(claim).toMatchObject({ state: 'claimed', stored: { key: `original/${done.jobId}-1.jpg` } })
    const shares = {
      ...completion(other.jobId, other.run),
      originalPath: `original/${done.jobId}-1.jpg`,
      sharesOriginal: true,
    }
    expect(await completeJob(writer, shares)).toBe(true)
    const failed = request()
    await claimJob(writer, failed)
    const failure = { jobId: failed.jobId, attempt: 1, runId: failed.run.id, params: failed.params }
    expect(await failJob(writer, { ...failure, errorCode: 'INPUT_CORRUPT', errorMessage: 'No.' })).toBe(true)
    await recordFailure(writer, {
      ...{ ...request(), jobId: uuidv7(), source: { path: '/photos/gone.jpg' } },
      ...{ errorCode: 'INPUT_NOT_FOUND', errorMessage: 'Gone.' },
    })
    await claimJob(writer, request({ run: failed.run }))
    await releaseJobs(writer, failed.run.id)
    await foldUsage(writer)
    const period = { from: '2000-01-01', to: '2100-01-01' }
    expect(await usageTotal(writer, period)).toMatchObject({ completed: 2, failed: 2 })
    expect(await usageTotal(reader, period)).toEqual(await usageTotal(owner.sql, period))
  })

  it.each<[string, (sql: postgres.Sql) => PromiseLike<unknown>]>([
    ['rewrite a job', (sql) => sql`update image_process_jobs set status = 'failed', user_id = 'me'`],
    ['delete jobs', (sql) => sql`delete from image_process_jobs`],
    ['make up jobs', (sql) => sql`insert into image_process_jobs select * from image_process_jobs`],
    ['change statistics', (sql) => sql`update daily_usage set completed_jobs = 0`],
    ['empty what is to be counted', (sql) => sql`delete from usage_changes`],
    ['make up what is to be counted', (sql) => sql`insert into usage_changes (dimension) values ('all')`],
    ['take a job from its run', (sql) => sql`delete from open_jobs`],
    ['rename users', (sql) => sql`update users set username = 'me'`],
    ['take tags from jobs', (sql) => sql`delete from image_tags`],
    ['take over a store', (sql) => sql`update installation set id = gen_random_uuid()`],
    [
      'call what only functions call',
      (sql) => sql`select pass_original_on(original_path, content_sha256) from image_process_jobs`,
    ],
    ['make tables', (sql) => sql`create table mine (id integer)`],
    ['empty a table', (sql) => sql`truncate image_process_jobs cascade`],
  ])('neither writer nor reader may %s', async (_, attempt) => {
    for (const sql of [writer, reader]) await expect(attempt(sql)).rejects.toMatchObject({ code: '42501' })
  })

  it('names in a function mean what they meant to its owner', async () => {
    const session = await writer.reserve()
    await session`create temporary table open_jobs (like public.open_jobs)`
    await session`set search_path = pg_temp, public`
    const wanted = request()
    expect(await claimJob(session as never, wanted)).toMatchObject({ state: 'claimed' })
    await session`set search_path = public`
    session.release()
    expect(await owner.sql`select 1 from open_jobs where job_id = ${wanted.jobId}`).toHaveLength(1)
  })

  it('a reader reads the log and its figures, and can run nothing', async () => {
    const [job] = await reader`select job_id from image_process_jobs limit 1`
    expect(await findJobs(reader, [job!.job_id])).toHaveLength(1)
    expect(await storedBytes(reader)).toMatchObject({ awaitingDeletion: 0 })
    await expect(claimJob(reader, request())).rejects.toMatchObject({ code: 'DATABASE_DENIED' })
    await expect(assertMayRun(reader)).rejects.toMatchObject({
      code: 'DATABASE_DENIED',
      message: expect.stringMatching(/lacks the rights to insert into .*run claim_job, .*run fold_usage/),
      hint: expect.stringContaining(`--grant-writer ${roles.reader}`),
    })
  })

  it('whoever was given nothing has nothing, also after a restore that knows no grants', async () => {
    await owner.sql`grant execute on function fold_usage() to public`
    await closeFunctions(owner.sql)
    for (const attempt of [nobody`select fold_usage()`, nobody`select * from image_process_jobs`])
      await expect(attempt).rejects.toMatchObject({ code: '42501' })
  })

  it('grants may be repeated, take nothing away, and follow what migrations add', async () => {
    await owner.sql`revoke all on table tags from ${owner.sql(roles.writer)}`
    await grantRoles(owner.sql, { writers: [], readers: [roles.nobody] })
    await assertMayRun(writer)
    expect(await nobody`select count(*) from image_process_jobs`).toHaveLength(1)
    expect(await grantStatements(owner.sql, { writers: [], readers: ['a'] })).toContain(
      'grant select on table public.image_process_jobs to a',
    )
  })

  it('a role that the server does not have is named, and so is one that may more than its work', async () => {
    await expect(grantRoles(owner.sql, { writers: ['gone'], readers: [] })).rejects.toMatchObject({
      ...{ code: 'NOT_FOUND', message: 'The server has no role gone.' },
    })
    await expect(grantRoles(writer, { writers: [roles.reader], readers: [] })).rejects.toMatchObject({
      code: 'DATABASE_DENIED',
    })
    expect(await furtherRights(owner.sql, roles.writer)).toBeUndefined()
    await owner.sql`grant update on image_process_jobs to ${owner.sql(roles.writer)}`
    expect(await furtherRights(owner.sql, roles.writer)).toBe('may also change image_process_jobs directly')
  })
})
