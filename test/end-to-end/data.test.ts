/** `rmbg query`, `tag`, `user` and `stats` as they are typed. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openEmbedded } from '../../src/database/embedded.ts'
import { jsonLines, rmbg } from '../support/cli.ts'
import { type Desk, desk } from '../support/desk.ts'
import { makeJob } from '../support/jobs.ts'
import { describeWith, redisUrl } from '../support/servers.ts'
import { describeServers, type Installation, installation } from '../support/site.ts'

describe('on a designer’s desk', () => {
  let at: Desk
  let ids: string[]
  const key = 'a key of more than sixteen letters'
  beforeAll(async () => {
    at = await desk(await mkdtemp(join(tmpdir(), 'rmbg-desk-')))
    await writeFile(join(at.folder, 'photos/=cmd.jpg'), 'not a picture')
    expect((await at.run('process', 'photos', '--tag', 'spring', '--user', 'anna')).status).toBe(3)
    ids = (await at.run('query', '--status', 'completed', '--ndjson')).stdout
      .split('\n')
      .map((line) => JSON.parse(line).jobId)
  })

  afterAll(() => rm(at.folder, { recursive: true }))

  it('query shows a table, newest first, and how to go on', async () => {
    const { status, stdout, stderr } = await at.run('query', '--limit', '2')
    expect(status).toBe(0)
    const [head, ...rows] = stdout.split('\n')
    expect(head).toMatch(/^CREATED_AT +JOB_ID +STATUS +USER_ID +SOURCE_NAME/)
    expect(rows).toHaveLength(2)
    const cursor = /More: --cursor (\S+)/.exec(stderr)![1]!
    const next = await at.run('query', '--limit', '2', '--cursor', cursor)
    expect(next.stdout.split('\n')).toHaveLength(3)
    expect(next.stderr).not.toContain('More')
    const other = await at.run('query', '--user', 'anna', '--cursor', cursor)
    expect(other.status).toBe(2)
    expect(other.stderr).toContain('other filters')
  })

  it('query speaks JSON, NDJSON and CSV, with the columns asked for', async () => {
    const json = JSON.parse((await at.run('query', '--json', '--limit', '3')).stdout)
    expect(json.jobs).toHaveLength(3)
    expect(json.nextCursor).toBeDefined()
    const lines = jsonLines((await at.run('query', '--ndjson', '--columns', 'job_id,tags', '--all')).stdout)
    expect(lines).toHaveLength(4)
    expect(Object.keys(lines[0]!)).toEqual(['jobId', 'tags'])
    const csv = (await at.run('query', '--csv', '--columns', 'source_name,status', '--all')).stdout.split(
      '\n',
    )
    expect(csv[0]).toBe('source_name,status')
    expect(csv).toHaveLength(5)
    // A spreadsheet must not run a file's name.
    expect(csv).toContain("'=cmd.jpg,failed")
    const wrong = await at.run('query', '--columns', 'jobid')
    expect([wrong.status, wrong.stderr]).toEqual([2, expect.stringContaining('job_id')])
    expect((await at.run('query', '--all', '--json')).status).toBe(2)
  })

  it('query finds by id, also from a list on standard input, and says when there is none', async () => {
    const { stdout } = await at.run('query', ids[0]!)
    expect(stdout).toMatch(new RegExp(`^job_id +${ids[0]}$`, 'm'))
    const list = (await at.run('query', '--csv', '--columns', 'job_id', '--status', 'completed')).stdout
    const { stdout: piped } = await rmbg(['query', '-', '--ndjson'], {
      cwd: at.folder,
      env: { RMBG_HOME: at.home },
      stdin: 'pipe',
      input: list,
    })
    expect(
      jsonLines(piped)
        .map(({ jobId }) => jobId)
        .sort(),
    ).toEqual([...ids].sort())
    const none = await at.run('query', '019a0000-0000-7000-8000-000000000000')
    expect([none.status, none.stderr]).toEqual([2, expect.stringContaining('There is no job')])
    expect((await at.run('query', 'photos/cup.jpg')).stderr).toContain('is no id of a job')
    expect((await at.run('query', ids[0]!, '--user', 'anna')).stderr).toContain('does not go together')
  })

  it.each([
    [['--since', 'yesterday'], '--since expects a date'],
    [['--until', '2026-02-30'], '--until expects a date'],
    [['--larger-than', 'much'], '--larger-than expects a size'],
    [['--param', 'refine'], 'KEY=VALUE'],
    [['--params', '[1]'], 'JSON object'],
    [['--tag', 'sprng'], 'Did you mean "spring"'],
  ])('query %s is refused in one sentence', async (args, sentence) => {
    const { status, stderr } = await at.run('query', ...args)
    expect([status, stderr]).toEqual([2, expect.stringContaining(sentence)])
    expect(stderr).not.toContain('    at ')
  })

  it('query --download fetches what was stored, once, and trusts no damaged object', async () => {
    const folder = join(at.folder, 'fetched')
    const first = await at.run(
      'query',
      '--status',
      'completed',
      '--download',
      'fetched',
      '--kind',
      'mask,processed',
    )
    expect(first.status, first.stderr).toBe(0)
    expect((await readdir(folder)).sort()).toEqual(['mask', 'processed'])
    expect(await readdir(join(folder, 'mask'))).toHaveLength(3)
    const row = (await at.rows()).find(({ job_id }) => job_id === ids[0])!
    const stored = join(at.home, 'store', row.processed_path!)
    const bytes = await readFile(stored)
    await writeFile(stored, 'damaged')
    expect((await at.run('query', ids[0]!, '--download', 'fetched')).status, 'it is there already').toBe(0)
    await rm(folder, { recursive: true })
    const again = await at.run('query', ids[0]!, '--download', 'fetched')
    expect([again.status, again.stderr]).toEqual([5, expect.stringContaining('is not what was written')])
    await writeFile(stored, bytes)
  })

  it('query --urls gives a link that opens', async () => {
    const { stdout } = await at.run('query', ids[0]!, '--urls', '--json')
    const [job] = JSON.parse(stdout).jobs
    expect((await readFile(fileURLToPath(job.processedUrl))).subarray(1, 4).toString()).toBe('PNG')
    expect((await at.run('query', ids[0]!, '--urls', '--expires', '8d')).status).toBe(2)
  })

  it('query --explain prints the plan', async () => {
    expect((await at.run('query', '--user', 'anna', '--explain')).stdout).toMatch(/Execution Time/)
  })

  it('tag adds, removes, lists and searches', async () => {
    expect((await at.run('tag', 'add', 'hero shot', ids[0]!, ids[1]!)).status).toBe(0)
    expect((await at.run('tag', 'list')).stdout).toMatch(/hero shot +2\n.*spring +4/s)
    expect((await at.run('tag', 'search', 'hero')).stdout).toContain('hero shot')
    expect((await at.run('tag', 'remove', 'hero shot', ids[0]!)).stderr).toContain('1 job')
    expect((await at.run('query', '--tag', 'hero shot', '--ndjson')).stdout.split('\n')).toHaveLength(1)
    const none = await at.run('tag', 'add', 'x', '019a0000-0000-7000-8000-000000000000')
    expect([none.status, none.stderr]).toEqual([2, expect.stringContaining('nothing was tagged')])
    expect((await at.run('tag', 'add', ' ', ids[0]!)).status).toBe(2)
  })

  it('user names and lists, and keeps an encrypted address to itself', async () => {
    const env = { RMBG_HOME: at.home, RMBG_ENCRYPTION_KEY: key }
    const run = (...args: string[]) => rmbg(args, { cwd: at.folder, env })
    const set = await run('user', 'set', 'anna', '--username', 'Anna Berg', '--email', 'anna@example.com')
    expect(set.status, set.stderr).toBe(0)
    expect((await run('user', 'list')).stdout).toMatch(/anna +Anna Berg +anna@example.com/)
    expect((await run('user', 'list', '--email', 'ANNA@example.com', '--json')).stdout).toContain('"anna"')
    const without = await at.run('user', 'list', '--json')
    expect(without.stdout).not.toContain('example.com')
    expect((await at.run('user', 'list')).stdout).toContain('(encrypted)')
    const taken = await run('user', 'set', 'bob', '--email', 'anna@example.com')
    expect([taken.status, taken.stderr]).toEqual([2, expect.stringContaining('belongs to')])
    for (const { stdout, stderr } of [set, taken, without]) expect(stdout + stderr).not.toContain(key)
    expect(
      (await rmbg(['user', 'list'], { env: { RMBG_HOME: at.home, RMBG_ENCRYPTION_KEY: 'short' } })).stderr,
    ).toContain('at least 16 characters')
  })

  it('stats counts by everything, and writes a report that needs nothing else', async () => {
    await at.run('tag', 'add', '<img src=x>', ids[0]!)
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

  it('stats --health has a word and a status for a monitor', async () => {
    const { status, stdout } = await at.run('stats', '--health')
    expect(status, stdout).toBe(1)
    expect(stdout).toMatch(/^WARN +backup +There is no backup\.$/m)
    expect((await at.run('stats', '--health', '--openmetrics')).stdout).toContain(
      'rmbg_health_level{check="backup"} 1',
    )
    const database = await openEmbedded(join(at.home, 'database'))
    const locked = await at.run('stats', '--health')
    await database.close()
    expect([locked.status, locked.stdout]).toEqual([2, expect.stringMatching(/^CRIT +database/)])
  })
})

describeServers('on servers', () => {
  let site: Installation
  beforeAll(async () => {
    site = await installation()
    await site.run(['migrate'])
    for (let index = 0; index < 3; index++) await makeJob(site.sql, { store: site.store, tags: ['spring'] })
  })
  afterAll(() => site.close())

  it('query --urls signs links that work, and hold no secret key', async () => {
    const { stdout } = await site.run(['query', '--urls', '--expires', '60s', '--ndjson', '--limit', '1'])
    const [job] = jsonLines(stdout)
    const answer = await fetch(job!.maskUrl)
    expect(await answer.text()).toContain(`mask ${job!.jobId}`)
    expect(stdout).not.toContain(process.env.AWS_SECRET_ACCESS_KEY)
  })

  it('query --all streams in pages', async () => {
    const { stdout } = await site.run(['query', '--all', '--csv'])
    expect(stdout.split('\n')).toHaveLength(4)
  })

  it('backup --configure-bucket shows, changes and then has nothing to do', async () => {
    const args = ['backup', '--configure-bucket', '--archive-class', 'none', '--expire-after', '90']
    expect((await site.run([...args, '--dry-run'])).stdout).toContain('off -> enabled')
    expect((await site.run(args)).status, 'nobody to ask').toBe(2)
    expect((await site.run([...args, '--yes'])).stdout).toContain('Done')
    expect((await site.run([...args, '--yes'])).stdout).toContain('is as it should be')
  })

  it('backup --check-wal prints what to add', async () => {
    const { status, stdout } = await site.run(['backup', '--check-wal'])
    expect([status, stdout]).toEqual([1, expect.stringContaining('archive_mode = on')])
  })
})

describeWith('RMBG_TEST_REDIS_URL')('with a cache', () => {
  it('answers are the same, from the cache or not, and never old', async () => {
    const at = await desk()
    await at.run('process', 'photos', '--tag', 'spring')
    const [row] = await at.rows()
    const run = (args: string[], url = redisUrl!) =>
      rmbg(args, { cwd: at.folder, env: { RMBG_HOME: at.home, REDIS_URL: url } })
    const plain = (await at.run('stats', '--json')).stdout
    const hits = async () =>
      Number(/(\d+) of \d+ answers/.exec((await run(['stats', '--health'])).stdout)?.[1])
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
  })
})
