/** `rmbg migrate --partition`, and a prune of whole months, killed at every step one after the other. */
import type postgres from 'postgres'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { connectServer } from '../../src/database/connect.ts'
import { partitionLog } from '../../src/database/partition-log.ts'
import { describeServers } from '../support/fixture-installation.ts'
import { makeJob } from '../support/jobs.ts'
import { monthKillPoints, partitionKillPoints } from './kill-points.ts'
import { expectRecoverable, expectWhole, killedAt, serverVariant, type Variant } from './variants.ts'

const ageDays = 300
const command = ['prune', '--older-than', '200d', '--max-share', '100%', '--yes']

/** Whose original lies under the id of a job that goes. */
async function makeMonth(variant: Variant): Promise<{ gone: string[]; heir: string; failed: string }> {
  return variant.change(async (sql, store) => {
    await sql`select make_log_month(now() - ${ageDays} * interval '1 day')`
    const gone = [
      await makeJob(sql, { ageDays, store }),
      await makeJob(sql, { ageDays, store, tags: ['old'] }),
    ]
    return {
      gone,
      heir: await makeJob(sql, { sharesWith: gone[0]!, store }),
      failed: await makeJob(sql, { ageDays, store, status: 'failed' }),
    }
  })
}

const idsOf = async (sql: postgres.Sql) =>
  (await sql`select job_id from image_process_jobs`).map(({ job_id }) => job_id)

describeServers('a log in months [PostgreSQL and S3]', () => {
  let variant: Variant
  beforeAll(async () => {
    variant = await serverVariant()
  })
  afterAll(() => variant.close())

  it('is made by whoever comes after one that was killed', { timeout: 300_000 }, async () => {
    const jobs = await variant.change(async (sql, store) => [
      await makeJob(sql, { store, tags: ['kept'] }),
      await makeJob(sql, { store, status: 'failed' }),
    ])
    for (const { at } of partitionKillPoints) {
      await killedAt(variant, at, ['migrate', '--partition'])
      jobs.push(await variant.change((sql, store) => makeJob(sql, { store })))
      await variant.look(expectRecoverable)
    }
    const { status, stdout, stderr } = await variant.run(['migrate', '--partition', '--json'])
    expect(status, stderr).toBe(0)
    expect(JSON.parse(stdout).partition).toMatchObject({ state: 'converted' })
    await variant.look(async (sql) => {
      expect((await idsOf(sql)).sort()).toEqual(jobs.sort())
      expect(await sql`select keys_in_use as done from log_conversion`).toEqual([{ done: true }])
      expect(
        await sql`
          select job_id from image_process_jobs j where not exists (select from known_keys k where k.job_id = j.job_id)`,
      ).toHaveLength(0)
    })
  })
})

describeServers('a prune of a month [PostgreSQL and S3]', () => {
  let variant: Variant
  beforeAll(async () => {
    variant = await serverVariant()
    const database = connectServer(variant.env.DATABASE_URL!)
    await partitionLog(database, { before: new Date(Date.UTC(new Date().getUTCFullYear() - 2, 0)) })
    await database.close()
  })
  afterAll(() => variant.close())

  it('is finished by whoever comes after one that was killed', { timeout: 300_000 }, async () => {
    const { gone, heir, failed } = await makeMonth(variant)
    const [detached, settled, dropped] = monthKillPoints
    for (const at of [detached!.at, settled!.at, 'prune:removed', 'prune:deleted', dropped!.at]) {
      await killedAt(variant, at, command)
      expect(await variant.look(idsOf)).toEqual(expect.arrayContaining([heir, failed]))
    }
    const { status, stdout, stderr } = await variant.run([...command, '--json'])
    expect(status, stderr).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ plan: { leftovers: 0 }, pruned: { jobs: 0 } })
    await variant.look(async (sql, store) => {
      await expectWhole(sql, store)
      const left = await idsOf(sql)
      expect(left).toEqual(expect.arrayContaining([heir, failed]))
      for (const jobId of gone) expect(left).not.toContain(jobId)
      expect(
        await sql`select original_shared as shares from image_process_jobs where job_id = ${heir}`,
      ).toEqual([{ shares: false }])
      const [bytes] = await sql`
        select (select sum(original_bytes + mask_bytes + processed_bytes) from image_process_jobs
            where status = 'completed')::float8 as log,
          (select sum(original_bytes + mask_bytes + processed_bytes) from (
            select dimension, original_bytes, mask_bytes, processed_bytes from daily_usage
            union all select dimension, original_bytes, mask_bytes, processed_bytes from usage_changes
          ) u where dimension = 'all')::float8 as counted`
      expect(bytes!.counted).toBe(bytes!.log)
      expect(await sql`select 1 from pg_class where relname like 'gone_jobs%'`).toHaveLength(0)
    })
  })
})
