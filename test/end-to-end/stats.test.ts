/** `rmbg stats` as it is typed, the cache, and what else of the data side needs servers. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openEmbedded } from '../../src/database/embedded.ts'
import { jsonLines, rmbg } from '../support/cli.ts'
import { describeServers, freshInstallation, type Installation } from '../support/fixture-installation.ts'
import { freshWorkspace, type Workspace, workspaceIn } from '../support/fixture-workspace.ts'
import { makeJob } from '../support/jobs.ts'
import { describeWith, redisUrl } from '../support/servers.ts'

describe('on a designer’s machine', () => {
  let at: Workspace
  beforeAll(async () => {
    at = await workspaceIn(await mkdtemp(join(tmpdir(), 'rmbg-workspace-')))
    await writeFile(join(at.folder, 'photos/=cmd.jpg'), 'not a picture')
    expect((await at.run('process', 'photos', '--tag', 'spring', '--user', 'anna')).status).toBe(3)
  })

  afterAll(() => rm(at.folder, { recursive: true }))

  it('stats counts by everything, and writes a report that needs nothing else', async () => {
    const [row] = await at.rows()
    await at.run('tag', 'add', '<img src=x>', row!.job_id)
    const text = await at.run('stats')
    expect(text.status).toBe(0)
    expect(text.stdout).toMatch(/4 jobs, 75.0% succeeded, 1 failed/)
    for (const by of ['user', 'model', 'tag', 'status', 'error']) {
      expect((await at.run('stats', '--by', by)).stdout, by).toContain(by.toUpperCase())
    }
    const { total, groups } = JSON.parse((await at.run('stats', '--json', '--since', '2d')).stdout)
    expect(total).toMatchObject({ jobs: 4, completed: 3, failed: 1 })
    expect(groups).toHaveLength(3)
    await at.run('stats', '--html', 'report.html')
    const html = await readFile(join(at.folder, 'report.html'), 'utf8')
    expect(html).not.toMatch(/https?:\/\/(?!www.w3.org)|<script|<img/)
    expect(html).toContain('&#60;img src=x&#62;')
    const backwards = await at.run('stats', '--since', '2026-05-01', '--until', '2026-04-01')
    expect([backwards.status, backwards.stderr]).toEqual([2, expect.stringContaining('before it begins')])
  })

  it('health has a word for each check, and a status of its own or of a monitor', async () => {
    const { status, stdout } = await at.run('health')
    expect(status, stdout).toBe(10)
    expect((await at.run('health', '--monitor')).status).toBe(1)
    expect(stdout).toMatch(/^WARN +backup +There is no backup\.$/m)
    expect((await at.run('health', '--openmetrics')).stdout).toContain('rmbg_health_level{check="backup"} 1')
    const database = await openEmbedded(join(at.home, 'database'), { migrate: false }) // lets nobody in
    const locked = await at.run('health')
    const monitored = await at.run('health', '--monitor')
    await database.close()
    expect([locked.status, locked.stdout]).toEqual([11, expect.stringMatching(/^CRIT +database/)])
    expect(monitored.status).toBe(2)
    const unset = await rmbg(['health', '--monitor'], {
      cwd: at.folder,
      env: { RMBG_HOME: at.home, RMBG_THREADS: 'x' },
    })
    expect([unset.status, unset.stdout]).toEqual([3, expect.stringMatching(/^UNKNOWN +database/)])
  })
})

describeServers('on servers', () => {
  let installation: Installation
  beforeAll(async () => {
    installation = await freshInstallation({ migrated: true })
    for (let index = 0; index < 3; index++)
      await makeJob(installation.sql, { store: installation.store, tags: ['spring'] })
  })
  afterAll(() => installation.close())

  it('query --urls signs links that work, and hold no secret key', async () => {
    const { stdout } = await installation.run([
      'query',
      '--urls',
      '--expires',
      '60s',
      '--ndjson',
      '--limit',
      '1',
    ])
    const [job] = jsonLines(stdout)
    const answer = await fetch(job!.maskUrl)
    expect(await answer.text()).toContain(`mask ${job!.jobId}`)
    expect(stdout).not.toContain(process.env.AWS_SECRET_ACCESS_KEY)
  })

  it('query --all streams in pages', async () => {
    const { stdout } = await installation.run(['query', '--all', '--csv'])
    expect(stdout.split('\n')).toHaveLength(4)
  })

  it('bucket shows its plan, executes it and then has nothing to do', async () => {
    const args = ['bucket', '--archive-class', 'none', '--expire-after', '90']
    const dry = await installation.run([...args, '--dry-run', '--json'])
    const [plan] = JSON.parse(dry.stdout).plans
    expect(plan).toMatchObject({
      bucket: installation.bucket.bucket,
      versioning: { now: 'off' },
      changes: true,
    })
    expect((await installation.run(args)).status, 'nobody to ask').toBe(2)
    const done = JSON.parse((await installation.run([...args, '--yes', '--json'])).stdout)
    const rulesSet = ['rmbg-original', 'rmbg-mask', 'rmbg-processed']
    expect(done).toEqual({
      plans: [plan],
      changed: [{ bucket: installation.bucket.bucket, versioningEnabled: true, rulesSet }],
    })
    const again = JSON.parse((await installation.run([...args, '--json'])).stdout)
    expect([again.plans[0].changes, again.changed]).toEqual([false, []])
    expect((await installation.run(args)).stdout).toContain('needs no changes')
  })

  it('wal prints what to add, with a status of its own or that of a monitor', async () => {
    const { status, stdout } = await installation.run(['wal'])
    expect([status, stdout]).toEqual([10, expect.stringContaining('archive_mode = on')])
    expect((await installation.run(['wal', '--monitor'])).status).toBe(1)
  })
})

describeWith('RMBG_TEST_REDIS_URL')('with a cache', () => {
  it('answers are the same, from the cache or not, and never old', async () => {
    const at = await freshWorkspace()
    await at.run('process', 'photos', '--tag', 'spring')
    const [row] = await at.rows()
    const run = (args: string[], url = redisUrl!) =>
      rmbg(args, { cwd: at.folder, env: { RMBG_HOME: at.home, REDIS_URL: url } })
    const plain = (await at.run('stats', '--json')).stdout
    const hits = async () => Number(/(\d+) of \d+ answers/.exec((await run(['health'])).stdout)?.[1])
    for (const _ of [1, 2]) expect((await run(['stats', '--json'])).stdout).toBe(plain)
    expect(await hits()).toBe(1)
    for (const _ of [1, 2]) expect((await run(['query', row!.job_id])).stdout).toContain('spring')
    expect(await hits()).toBe(2)
    await at.run('tag', 'add', 'new', row!.job_id) // by somebody who does not know the cache
    expect((await run(['query', row!.job_id])).stdout).toContain('new, spring')
    expect((await run(['stats', '--by', 'tag'])).stdout).toContain('new')
    const down = await run(['stats', '--by', 'tag'], 'redis://:secret-password@127.0.0.1:1')
    expect(down.status).toBe(0)
    expect(down.stdout).toContain('new')
    expect(down.stderr.split('\n').filter((line) => line.includes('cache'))).toHaveLength(1)
    expect(down.stderr).not.toContain('secret-password')
    const file = join(at.folder, 'rmbg.prom')
    const health = await run(['health', '--json', '--output', file], 'redis://:secret-password@127.0.0.1:1')
    expect(health.stderr).toBe('')
    expect(JSON.parse(health.stdout).checks).toContainEqual(
      expect.objectContaining({ name: 'redis-cache', level: 'warn' }),
    )
    expect(await readFile(file, 'utf8')).toMatch(/^rmbg_health_level\{check="redis-cache"\} 1$/m)
  })
})
