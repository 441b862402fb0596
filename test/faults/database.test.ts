/** PostgreSQL restarted, stopped, full and slow under the built program: a server of the test's own. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { directoryStore } from '../../src/store/directory.ts'
import { type Finished, finishedAfter, rmbg, start } from '../support/cli.ts'
import { expectInvariants } from '../support/job-rows.ts'
import { ending, eventsOf } from './assert-output.ts'
import { type Cluster, describeCluster, startCluster } from './cluster.ts'
import { writePictures } from './pictures.ts'

/** A working directory with so many photos and a database on the cluster for it alone. */
async function installationOn(
  cluster: Cluster,
  photos: number,
  onTestFinished: (end: () => Promise<void>) => void,
) {
  const folder = await mkdtemp(join(tmpdir(), 'rmbg-faults-'))
  const name = `site_${randomBytes(4).toString('hex')}`
  const admin = postgres(cluster.urlOf('postgres', 'postgres'), {
    max: 1,
    onnotice: () => {},
    fetch_types: false,
  })
  await admin`create role ${admin(name)} login superuser`
  await admin`create database ${admin(name)} owner ${admin(name)}`
  const url = cluster.urlOf(name, name)
  const sql = postgres(cluster.urlOf('postgres', name), { max: 1, onnotice: () => {}, fetch_types: false })
  const env = { RMBG_HOME: join(folder, '.home'), DATABASE_URL: url, RMBG_PATIENCE: '20s' }
  onTestFinished(async () => {
    await sql.end({ timeout: 1 })
    await admin.end({ timeout: 1 })
    await rm(folder, { recursive: true })
  })
  await writePictures(join(folder, 'photos'), photos)
  expect((await rmbg(['migrate'], { cwd: folder, env })).status).toBe(0)
  const args = ['process', 'photos', '--model', 'backdrop', '--json']
  return {
    admin,
    role: name,
    sql,
    process: (...more: string[]) => rmbg([...args, ...more], { cwd: folder, env }),
    /** Started, and `meanwhile` done once so many images are completed. */
    interrupted: (completed: number, meanwhile: () => Promise<void>): Promise<Finished> =>
      finishedAfter(start([...args, '--concurrency', '2'], { cwd: folder, env }), completed, meanwhile),
    expectComplete: async () => {
      const rows = await expectInvariants(sql, directoryStore(join(folder, '.home/store')))
      expect(rows.map(({ status }) => status)).toEqual(Array(photos).fill('completed'))
    },
  }
}

const summary = (finished: Finished) => eventsOf(finished).findLast(({ type }) => type === 'summary')!

const unreachable =
  /^The database server at 127\.0\.0\.1:\d+ cannot be reached: connect ECONNREFUSED 127\.0\.0\.1:\d+\. \[DATABASE_UNAVAILABLE\]$/

describeCluster('a PostgreSQL server', () => {
  let restless: Cluster
  let stopped: Cluster
  let starved: Cluster
  beforeAll(async () => {
    ;[restless, stopped, starved] = await Promise.all([
      startCluster(),
      startCluster(),
      startCluster({ max_connections: 12 }),
    ])
  })
  afterAll(async () => {
    await Promise.all([restless, stopped, starved].map((cluster) => cluster.remove()))
  })

  describe.concurrent('that is', { timeout: 300_000 }, (it) => {
    it('restarted in the middle of a run, in order and not, costs a pause', async ({
      expect,
      onTestFinished,
    }) => {
      for (const mode of ['fast', 'immediate'] as const) {
        const installation = await installationOn(restless, 30, onTestFinished)
        const finished = await installation.interrupted(5, () => restless.restart(mode))
        expect(finished.status, finished.stdout + finished.stderr).toBe(0)
        expect(summary(finished)).toMatchObject({ completed: 30, failed: 0 })
        await installation.expectComplete()
      }
    })

    it('stopped for good is told in a sentence when patience ends', async ({ expect, onTestFinished }) => {
      const installation = await installationOn(stopped, 30, onTestFinished)
      const finished = await installation.interrupted(5, () => stopped.stop())
      expect(finished.status, finished.stdout + finished.stderr).toBe(4)
      expect(ending(finished)).toMatch(unreachable)
      expect(summary(finished).failed).toBe(0)
      const asked = await installation.process()
      expect(asked.status, asked.stderr).toBe(4)
      expect(ending(asked)).toMatch(unreachable)
      await stopped.start()
      const again = await installation.process()
      expect(again.status, again.stderr).toBe(0)
      expect(summary(again).completed).toBeGreaterThan(0)
      await installation.expectComplete()
    })

    it('short of connections makes a run wait for one', async ({ expect, onTestFinished }) => {
      const installation = await installationOn(starved, 12, onTestFinished)
      await installation.admin`alter role ${installation.admin(installation.role)} nosuperuser connection limit 2`
      const finished = await installation.process('--concurrency', '6')
      expect(finished.status, finished.stdout + finished.stderr).toBe(0)
      await installation.expectComplete()
    })

    it('without a connection to give is told in a sentence', async ({ expect, onTestFinished }) => {
      const installation = await installationOn(starved, 2, onTestFinished)
      await installation.admin`alter role ${installation.admin(installation.role)} nosuperuser connection limit 0`
      const finished = await installation.process()
      expect(finished.status, finished.stdout + finished.stderr).toBe(4)
      expect(ending(finished)).toMatch(
        /^The database server has no connection left to give\. \[DATABASE_UNAVAILABLE\]$/,
      )
      await installation.admin`alter role ${installation.admin(installation.role)} connection limit -1`
      expect((await installation.process()).status).toBe(0)
      await installation.expectComplete()
    })

    it('cancelling statements is told in a sentence; what was done stays done', async ({
      expect,
      onTestFinished,
    }) => {
      const installation = await installationOn(starved, 12, onTestFinished)
      await installation.admin`alter role ${installation.admin(installation.role)} set statement_timeout = '2s'`
      const finished = await installation.interrupted(3, async () => {
        await installation.sql.unsafe('begin; lock table image_process_jobs in access exclusive mode')
      })
      await installation.sql.unsafe('rollback')
      expect(finished.status, finished.stdout + finished.stderr).toBe(4)
      expect(ending(finished)).toMatch(
        /^The database cancelled a statement: canceling statement due to statement timeout\. \[DATABASE_ERROR\]$/,
      )
      const again = await installation.process()
      expect(again.status, again.stderr).toBe(0)
      await installation.expectComplete()
    })
  })
})
