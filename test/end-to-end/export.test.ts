/** `rmbg export` and `rmbg stats --from` as they are typed, and an export in a bucket. */
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { openContext } from '../../src/context.ts'
import { openEmbedded } from '../../src/database/embedded.ts'
import { exportLog } from '../../src/jobs/lake/export.ts'
import { withExport } from '../../src/jobs/lake/statistics.ts'
import { resolveSettings } from '../../src/settings/settings.ts'
import { rmbg } from '../support/cli.ts'
import { copyEmbeddedDatabase } from '../support/embedded-database.ts'
import { makeJob } from '../support/jobs.ts'
import { describeWith, freshBucket } from '../support/servers.ts'

let home: string
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'rmbg-test-'))
  await copyEmbeddedDatabase(join(home, 'database'))
  const database = await openEmbedded(join(home, 'database'))
  for (const ageDays of [1, 40, 40]) await makeJob(database.sql, { ageDays, user: 'anna', tags: ['spring'] })
  await makeJob(database.sql, { ageDays: 40, user: 'bob', status: 'failed' })
  await database.close()
})
afterAll(() => rm(home, { recursive: true }))

const { signal } = new AbortController()

describe('on a designer’s machine', () => {
  const run = (...args: string[]) => rmbg(args, { cwd: home, env: { RMBG_HOME: home } })

  it('an export tells each month, and stats answers from it what it answers from the log', async () => {
    const first = await run('export', '--parquet', 'history')
    expect([first.status, first.stderr]).toEqual([0, expect.stringMatching(/^\d{4}-\d\d …$/m)])
    expect(first.stdout).toMatch(/^4 jobs of 2 months in .*history, /m)
    const again = JSON.parse((await run('export', '--parquet', 'history', '--json')).stdout)
    expect(again).toMatchObject({ rows: 4, months: [{ state: 'unchanged' }, { state: 'unchanged' }] })
    expect((await readdir(join(home, 'history'))).filter((name) => name.startsWith('month='))).toHaveLength(2)

    const asked = ['--by', 'user', '--since', '90d', '--json']
    const [log, lake] = [await run('stats', ...asked), await run('stats', '--from', 'history', ...asked)]
    const [ofLog, ofLake] = [JSON.parse(log.stdout), JSON.parse(lake.stdout)]
    expect(Object.keys(ofLake)).toEqual(Object.keys(ofLog))
    expect(ofLake.groups.map(({ value, jobs, quartile }: never) => [value, jobs, quartile])).toEqual(
      ofLog.groups.map(({ value, jobs, quartile }: never) => [value, jobs, quartile]),
    )
    const none = await run('stats', '--from', 'elsewhere')
    expect([none.status, none.stderr]).toEqual([2, expect.stringContaining('There is no export in')])
  })
})

describeWith('RMBG_TEST_S3_ENDPOINT')('in a bucket', () => {
  it('an export is written, kept up to date and asked, beside whatever else is there', async () => {
    const { bucket, env, keys } = await freshBucket()
    const settings = await resolveSettings({}, { ...env, RMBG_HOME: home })
    const context = openContext(settings)
    onTestFinished(() => context.close())
    const place = await context.exportPlace(`s3://${bucket}/analytics/rmbg`)
    const database = await context.database()
    expect(await exportLog(database, place, { signal })).toMatchObject({ rows: 4 })
    const written = await keys()
    expect(written).toContainEqual(
      expect.stringMatching(/^analytics\/rmbg\/month=\d{4}-\d\d\/jobs\.parquet$/),
    )
    expect(written.every((key) => key.startsWith('analytics/rmbg/'))).toBe(true)
    await makeJob(database.sql, { ageDays: 1, user: 'carl' })
    const { months } = await exportLog(database, place, { signal })
    expect(months.map(({ state, rows }) => [state, rows])).toEqual([
      ['unchanged', 3],
      ['written', 2],
    ])
    const { total } = await withExport(place, ({ statistics }) =>
      statistics({ by: 'day', since: { ago: '90 days' }, until: undefined, limit: 1 }),
    )
    expect(total).toMatchObject({ jobs: 5, failed: 1 })
    const other = await context.exportPlace(`s3://${bucket}/analytics`)
    await expect(exportLog(database, other, { signal })).rejects.toMatchObject({ code: 'REFUSED' })
  })
})
