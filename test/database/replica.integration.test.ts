/** A real standby that questions are asked of: while it follows, while it is behind, while it is away, and where it is none. */
import { afterAll, beforeAll, beforeEach, expect, it, onTestFinished } from 'vitest'
import { type Context, openContext } from '../../src/context.ts'
import { connectServer } from '../../src/database/connect.ts'
import type { ServerDatabase } from '../../src/database/contract.ts'
import { judgeBy } from '../../src/database/health/thresholds.ts'
import { applyMigrations } from '../../src/database/migrate.ts'
import { queryJobs } from '../../src/jobs/pages.ts'
import { collectStatistics } from '../../src/jobs/statistics.ts'
import { resolveSettings } from '../../src/settings/settings.ts'
import { openToRead } from '../../src/terminal/read-database.ts'
import { replicaCheck } from '../../src/terminal/texts/replica-check.ts'
import { type Cluster, describeCluster, startCluster } from '../faults/cluster.ts'
import { makeJob } from '../support/jobs.ts'

describeCluster('a replica', () => {
  let primary: Cluster
  let standby: Cluster
  let database: ServerDatabase
  let onStandby: ServerDatabase
  let told: string[]

  beforeAll(async () => {
    primary = await startCluster({ fsync: 'off', shared_buffers: '16MB', max_connections: 40 })
    database = connectServer(primary.urlOf('postgres', 'postgres'))
    await applyMigrations(database)
    standby = await primary.startStandby()
    onStandby = connectServer(standby.urlOf('postgres', 'postgres'))
  })
  afterAll(async () => {
    await onStandby.close()
    await database.close()
    await standby.remove()
    await primary.remove()
  })
  beforeEach(() => {
    told = []
  })

  const url = (cluster: Cluster, name = 'postgres') => cluster.urlOf('postgres', name)
  async function contextOf(environment: Record<string, string>): Promise<Context> {
    const settings = await resolveSettings({ patience: '0' }, { RMBG_HOME: '/nowhere', ...environment })
    const context = openContext(settings)
    onTestFinished(() => context.close())
    return context
  }
  const both = (replica = url(standby)) =>
    contextOf({ DATABASE_URL: url(primary), DATABASE_REPLICA_URL: replica })
  const read = async (context: Promise<Context>, options = { fresh: false }) =>
    openToRead(await context, options, (sentence) => told.push(sentence))
  const isStandby = async ({ database: { sql } }: Awaited<ReturnType<typeof read>>) =>
    (await sql`select pg_is_in_recovery() as yes`)[0]?.yes

  it('answers query and stats, and nothing is written to it', async () => {
    await makeJob(database.sql, { user: 'anna' })
    const services = await read(both())
    expect(await isStandby(services)).toBe(true)
    expect(services.replica).toEqual({
      replica: { location: expect.stringContaining('postgres'), lagSeconds: 0, lagBytes: 0 },
    })
    expect((await queryJobs(services.database.sql, {}, { limit: 9 })).jobs).toHaveLength(1)
    const options = { by: 'user', since: { ago: '1 days' }, until: undefined, limit: 9 } as const
    expect(await collectStatistics(services.database, services.cache, options)).toMatchObject({
      total: { jobs: 1 },
    })
    expect(JSON.stringify(services.replica)).not.toContain('secret')
    expect(told).toEqual([])
    // Whatever a statement says, a standby writes nothing.
    await expect(services.database.sql`delete from image_process_jobs`).rejects.toMatchObject({
      code: '25006',
    })
  })

  it('is not asked for what has to be fresh, nor where none is set', async () => {
    for (const services of [
      await read(both(), { fresh: true }),
      await read(contextOf({ DATABASE_URL: url(primary) })),
    ]) {
      expect(await isStandby(services)).toBe(false)
      expect(services.replica).toEqual({})
    }
    expect(told).toEqual([])
  })

  it('says how far it is behind', async () => {
    await onStandby.sql`select pg_wal_replay_pause()`
    await makeJob(database.sql)
    const { replica } = await read(both())
    await onStandby.sql`select pg_wal_replay_resume()`
    expect(replica.replica?.lagBytes).toBeGreaterThan(0)
    expect(replica.replica?.lagSeconds).toBeGreaterThan(0)
    const judge = judgeBy([{ name: 'standby-lag-bytes', level: 'warn', value: 1 }])
    expect(replicaCheck(replica.replica, { told: undefined, judge })).toMatchObject({ level: 'warn' })
    expect((await read(both())).replica.replica).toBeDefined()
  })

  it('is refused where it is another database', async () => {
    await database.sql`create database other`
    const other = connectServer(url(primary, 'other'))
    await applyMigrations(other)
    await other.close()
    await expect(read(both(url(primary, 'other')))).rejects.toMatchObject({
      code: 'REFUSED',
      message: expect.stringContaining('DATABASE_REPLICA_URL leads to another database'),
    })
    await expect(
      read(contextOf({ DATABASE_URL: 'embedded', DATABASE_REPLICA_URL: url(standby) })),
    ).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  })

  it('may be the only one that is there', async () => {
    await primary.stop()
    const services = await read(both())
    expect(await isStandby(services)).toBe(true)
    expect(services.replica).toMatchObject({ replica: { lagSeconds: null, lagBytes: null } })
    expect(told).toEqual([expect.stringMatching(/^The primary does not answer: the replica is asked/)])
    await primary.start()
  })

  it('is not missed while it is away, or not migrated', async () => {
    await database.sql`create database bare`
    for (const away of ['postgres://postgres@127.0.0.1:1/postgres', url(primary, 'bare')]) {
      told = []
      const services = await read(both(away))
      expect(await isStandby(services)).toBe(false)
      expect(told).toEqual([
        expect.stringMatching(/^The replica cannot be asked \(.*\): the primary is asked instead\.$/),
      ])
    }
    expect(replicaCheck(undefined, { told: told[0], judge: judgeBy([]) })).toMatchObject({ level: 'warn' })
  })

  it('that was made a primary is refused: it goes a way of its own', async () => {
    await onStandby.sql`select pg_promote()`
    await expect(read(both())).rejects.toMatchObject({ code: 'REFUSED' })
  })
})
