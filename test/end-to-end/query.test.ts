/** `rmbg query`, `rmbg tag` and `rmbg user` as people and their scripts use them. */
import { appendFile, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connectServer } from '../../src/database/connect.ts'
import { openEmbedded } from '../../src/database/embedded.ts'
import { jsonLines, rmbg } from '../support/cli.ts'
import { type Workspace, workspaceIn } from '../support/fixture-workspace.ts'
import { picture } from '../support/images.ts'
import { type JobRow, jobRows } from '../support/job-rows.ts'
import { describeWith, freshBucket, migratedDatabase, postgresUrl } from '../support/servers.ts'

const key = 'correct horse battery staple'
/** What was printed by all commands of this file. */
let printed = ''

/** Where there is one: the embedded database takes a second to open, every time. */
let server: Awaited<ReturnType<typeof migratedDatabase>> | undefined
let folder: string
let workspace: Workspace
let rows: JobRow[]
let jpeg: JobRow

/** Runs the program where the photos are, with the key that no output may show. */
async function run(args: string[], { input, env }: { input?: string; env?: Record<string, string> } = {}) {
  const result = await rmbg(args, {
    cwd: folder,
    env: { RMBG_HOME: workspace.home, DATABASE_URL: server?.url, RMBG_ENCRYPTION_KEY: key, ...env },
    ...(input !== undefined && { input, stdin: 'pipe' }),
  })
  printed += result.stdout + result.stderr
  return result
}
const query = (...args: string[]) => run(['query', ...args])

/** Records of a CSV as RFC 4180 has them. */
function parseCsv(text: string): string[][] {
  const records: string[][] = [[]]
  for (const [, quoted, bare, end] of `${text}\n`.matchAll(/(?:"((?:[^"]|"")*)"|([^",\n]*))(,|\n|$)/g)) {
    records.at(-1)!.push(quoted === undefined ? bare! : quoted.replaceAll('""', '"'))
    if (end === '\n') records.push([])
  }
  return records.slice(0, -1) // behind the last line end
}

beforeAll(async () => {
  server = postgresUrl === undefined ? undefined : await migratedDatabase()
  folder = await mkdtemp(join(tmpdir(), 'rmbg-query-'))
  workspace = await workspaceIn(folder)
  await writeFile(join(folder, 'photos/=1+1.jpg'), await picture(4).jpeg().toBuffer())
  const { status, stdout } = await run(['process', 'photos', '--user', 'anna', '--tag', 'spring'])
  expect(status, stdout).toBe(0)
  // More of them than a page of --all has, without pictures.
  const database = server ? connectServer(server.url) : await openEmbedded(join(workspace.home, 'database'))
  await database.sql`
    insert into image_process_jobs (job_id, user_id, original_path, status, source_path, error_code, error_message,
      file_size_kb, created_at)
    select md5(i::text)::uuid, 'ben', 'original/' || i, 'failed', '/in/a, "b"' || i || '.jpg', 'INPUT_EMPTY',
      E'The file is\tempty, "all" of it.', i, '2026-01-01T00:00:00Z'::timestamptz + i / 2 * interval '1 microsecond'
    from generate_series(1, 1205) i`
  rows = (await jobRows(database.sql)).filter((row) => row.status === 'completed')
  await database.close()
  jpeg = rows.find((row) => row.source_path.endsWith('cup.jpg'))!
})
afterAll(async () => {
  await server?.drop()
  await rm(folder, { recursive: true })
})

describe('rmbg query', () => {
  it('shows a table for people, newest first, with the cursor of the next page', async () => {
    const { status, stdout, stderr } = await query('--limit', '3')
    expect(status).toBe(0)
    const [head, ...lines] = stdout.split('\n')
    expect(head).toMatch(/^CREATED_AT +JOB_ID +STATUS +USER_ID +SOURCE_NAME +FILE_SIZE_KB/)
    expect(lines).toHaveLength(3)
    for (const line of lines)
      expect(line).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d .* completed +anna .* spring/)
    const [, cursor] = /^More: --cursor (\S+)$/m.exec(stderr)!
    const elsewhere = await query('--user', 'anna', '--cursor', cursor!)
    expect(elsewhere).toMatchObject({ status: 2, stdout: '' })
    expect(elsewhere.stderr).toContain('other filters')
  })

  it('goes through pages with --json, every job once', async () => {
    const seen: string[] = []
    let cursor: string | undefined
    do {
      const after = cursor === undefined ? [] : ['--cursor', cursor]
      const page = JSON.parse((await query('--json', '--limit', '700', ...after)).stdout)
      seen.push(...page.jobs.map(({ jobId }: { jobId: string }) => jobId))
      cursor = page.nextCursor
    } while (cursor !== undefined)
    expect(seen).toHaveLength(1209)
    expect(new Set(seen).size).toBe(1209)
  })

  it('prints all pages with --all: one object per line, or CSV with one header', async () => {
    const lines = jsonLines((await query('--all', '--ndjson')).stdout)
    expect(lines).toHaveLength(1209)
    expect(lines[0]).toMatchObject({
      userId: 'anna',
      status: 'completed',
      tags: ['spring'],
      model: 'silhouette',
    })
    const csv = await query('--all', '--csv')
    const [head, ...records] = parseCsv(csv.stdout)
    expect(head!.slice(0, 4)).toEqual(['job_id', 'user_id', 'status', 'source_name'])
    expect(records.map(([jobId]) => jobId)).toEqual(lines.map(({ jobId }) => jobId))
    for (const record of records) expect(record).toHaveLength(head!.length)
    const named = (name: string) => records.map((record) => record[head!.indexOf(name)])
    expect(named('source_name')).toContain('a, "b"7.jpg')
    expect(named('error_message')).toContain('The file is\tempty, "all" of it.')
    expect(named('source_name'), 'no spreadsheet calculates it').toContain("'=1+1.jpg")
    expect(named('source_name')).not.toContain('=1+1.jpg')
  })

  it('keeps lines of CSV whose only column is empty', async () => {
    const { stdout } = await query('--user', 'ben', '--limit', '5', '--csv', '--columns', 'mask_path')
    // Of the last line end execa tells nothing.
    expect(stdout).toBe('mask_path\n\n\n\n\n')
  })

  it('prints the columns that are wanted, by either name', async () => {
    const wanted = ['--name', 'cup.jpg', '--columns', 'userId, image_width,originalSha256']
    expect((await query(...wanted)).stdout).toMatch(
      new RegExp(`^USER_ID +IMAGE_WIDTH +ORIGINAL_SHA256\\nanna +160 +${jpeg.content_sha256}$`),
    )
    expect(JSON.parse((await query(...wanted, '--json')).stdout).jobs).toEqual([
      { userId: 'anna', imageWidth: 160, originalSha256: jpeg.content_sha256 },
    ])
    const unknown = await query('--columns', 'user_id,secret')
    expect(unknown).toMatchObject({ status: 2, stdout: '' })
    expect(unknown.stderr).toContain('received "secret"')
    expect(unknown.stderr).toContain('job_id, user_id')
  })

  it('combines filters', async () => {
    const found = async (...args: string[]) =>
      jsonLines((await query('--ndjson', ...args)).stdout).map(({ sourceName }) => sourceName)
    const filters = ['--user', 'anna', '--status', 'completed', '--since', '1d', '--tag', 'spring']
    expect(
      await found(...filters, '--tag-like', 'sprng', '--param', 'model.name=silhouette', '--name', '*.p?g'),
    ).toEqual(['cup.png'])
    expect(await found('--larger-than', '1204KiB', '--error', 'INPUT_EMPTY')).toEqual(['a, "b"1205.jpg'])
    expect(await found('--error', '"ALL" of', '--until', '2026-01-01T00:00:00.000001Z')).toEqual([
      'a, "b"1.jpg',
    ])
  })

  it('says so when nothing matches, which is no error', async () => {
    const csv = await query('--user', 'nobody', '--csv', '--columns', 'user_id')
    expect(csv).toEqual({ status: 0, stdout: 'user_id', stderr: 'No job matches.' })
    expect(JSON.parse((await query('--needs-review', '--until', '10y', '--json')).stdout)).toEqual({
      jobs: [],
    })
  })

  it.each([
    [['--all', '--json'], '--all does not fit into one JSON object.'],
    [['--all', '--limit', '3'], '--limit'],
    [['--since', 'yesterday'], '--since expects a date'],
    [['--expires', '8d', '--urls'], '--expires expects at most 7d'],
    [['--cursor', 'damaged'], 'The cursor is not one that rmbg query gave.'],
    [['--tag', 'sprng'], 'Did you mean "spring"?'],
    [['cup.jpg'], '"cup.jpg" is not a job id.'],
    [['019a6b7e-0000-7000-8000-000000000000'], 'There is no job 019a6b7e-0000-7000-8000-000000000000.'],
    [['019a6b7e-0000-7000-8000-000000000000', '--user', 'anna'], '--user cannot be combined with job ids'],
  ])('refuses %j with a sentence', async (args, sentence) => {
    const { status, stdout, stderr } = await query(...args)
    expect(stderr + stdout).toContain(sentence)
    expect(status).toBe(2)
  })

  it('shows jobs by id, all there is to know; - reads a list, as it prints one', async () => {
    const one = await query(jpeg.job_id.toUpperCase())
    expect(one.stdout).toMatch(new RegExp(`^job_id +${jpeg.job_id}$`, 'm'))
    expect(one.stdout).toMatch(/^tags +spring$/m)
    expect(one.stdout).toMatch(/^original_bytes +\d+ \(\d+(\.\d)? K?B\)$/m)
    expect(one.stdout).not.toContain('null')
    const list = await query('--user', 'anna', '--csv', '--columns', 'job_id')
    const { stdout } = await run(['query', '-', '--ndjson'], { input: list.stdout })
    expect(jsonLines(stdout).map(({ jobId }) => jobId)).toEqual(list.stdout.trim().split('\n').slice(1))
  })

  it('explains the very query', async () => {
    const { status, stdout } = await query('--status', 'failed', '--limit', '5', '--explain')
    expect(status).toBe(0)
    // Which index serves what is proven in test/database/plans.integration.test.ts, over a table that is large.
    expect(stdout).toMatch(/Scan.* on image_process_jobs/)
    expect(stdout).toMatch(/actual time=.* rows=6\b/)
  })

  it('links to the objects of a completed job', async () => {
    const jobs = jsonLines((await query('--limit', '5', '--urls', '--ndjson')).stdout)
    const cup = jobs.find(({ sourceName }) => sourceName === 'cup.jpg')!
    expect(await readFile(fileURLToPath(cup.originalUrl))).toEqual(
      await readFile(join(folder, 'photos/cup.jpg')),
    )
    for (const kind of ['maskUrl', 'processedUrl']) {
      expect((await stat(new URL(cup[kind]))).size).toBeGreaterThan(0)
    }
    const failed = jobs.find(({ userId }) => userId === 'ben')
    expect(failed).not.toHaveProperty('originalUrl')
  })
})

describe('rmbg query --download', () => {
  it('fetches the chosen kinds, and leaves what is there', async () => {
    const fetch = (...flags: string[]) =>
      query('--user', 'anna', '--download', 'fetched', '--kind', 'processed, mask', ...flags)
    const { status, stderr } = await fetch()
    expect(status, stderr).toBe(0)
    const files = (await readdir(join(folder, 'fetched'), { recursive: true })).filter((name) =>
      /\./.test(name),
    )
    expect(files.sort()).toEqual(
      rows.flatMap(({ job_id: id }) => [join('mask', `${id}.png`), join('processed', `${id}.png`)]).sort(),
    )
    const [kept, changed] = files.map((file) => join(folder, 'fetched', file))
    const before = await stat(kept!)
    const content = await readFile(changed!)
    await appendFile(changed!, 'x')
    const again = await fetch()
    expect([again.status, again.stderr]).toEqual([
      0,
      expect.stringContaining(`kept     ${changed}: not what the store holds (--overwrite replaces it)`),
    ])
    expect((await stat(kept!)).mtimeMs).toBe(before.mtimeMs)
    expect((await stat(kept!)).ino).toBe(before.ino)
    expect(await readFile(changed!)).toEqual(Buffer.concat([content, Buffer.from('x')]))
    await fetch('--overwrite')
    expect(await readFile(changed!)).toEqual(content)
  })

  it('names what was fetched with --json; jobs without objects have nothing', async () => {
    const fetch = ['--limit', '5', '--download', 'some', '--kind', 'original', '--json']
    const { jobs, downloaded } = JSON.parse((await query(...fetch)).stdout)
    expect(jobs).toHaveLength(5)
    expect(downloaded).toHaveLength(4)
    const cup = join(folder, 'some', 'original', `${jpeg.job_id}.jpg`)
    expect(downloaded).toContain(cup)
    expect(await readFile(cup)).toEqual(await readFile(join(folder, 'photos/cup.jpg')))
  })

  it('tells an object that is not what was written, or is gone, with exit status 5, and fetches the others', async () => {
    const object = join(workspace.home, 'store', jpeg.mask_path!)
    const content = await readFile(object)
    await writeFile(
      object,
      content.map((byte, index) => (index === 60 ? byte ^ 1 : byte)),
    )
    const changed = await query(jpeg.job_id, '--download', 'tampered')
    expect(changed.status).toBe(5)
    expect(changed.stderr).toContain(
      `The stored object ${jpeg.mask_path} is not what was written. [STORE_OBJECT_DAMAGED]`,
    )
    expect(await readdir(join(folder, 'tampered'))).toEqual(['original', 'processed'])
    await rm(object)
    const gone = await query(jpeg.job_id, '--download', 'tampered', '--json')
    expect(gone.status).toBe(5)
    const { downloaded, failed } = JSON.parse(gone.stdout)
    expect(downloaded).toHaveLength(2)
    expect(failed).toMatchObject([{ key: jpeg.mask_path, code: 'STORE_OBJECT_MISSING' }])
    expect(failed[0].message).toContain(`The object ${jpeg.mask_path} is not in the store`)
    await writeFile(object, content)
    expect((await query(jpeg.job_id, '--download', 'tampered')).status).toBe(0)
  })
})

describeWith('RMBG_TEST_S3_ENDPOINT')('links to a bucket', () => {
  it('give everybody the very bytes until they expire', async () => {
    const bucket = await freshBucket()
    const args = ['process', 'photos/cup.jpg', '--force']
    expect((await run(args, { env: bucket.env })).status).toBe(0)
    const filters = ['query', '--name', 'cup.jpg', '--limit', '1', '--urls', '--expires', '90s', '--ndjson']
    const [job] = jsonLines((await run(filters, { env: bucket.env })).stdout)
    expect(new URL(job!.originalUrl).searchParams.get('X-Amz-Expires')).toBe('90')
    const original = await fetch(job!.originalUrl)
    expect(Buffer.from(await original.arrayBuffer())).toEqual(await readFile(join(folder, 'photos/cup.jpg')))
    for (const url of [job!.maskUrl, job!.processedUrl]) expect((await fetch(url)).status).toBe(200)
    expect((await fetch(job!.originalUrl.split('?')[0])).status).toBe(403)
    expect(printed).not.toContain(bucket.env.AWS_SECRET_ACCESS_KEY!)
    const fetched = ['query', job!.jobId, '--download', 'from-bucket', '--kind', 'original']
    expect((await run(fetched, { env: bucket.env })).status).toBe(0)
  })
})

describe('rmbg tag', () => {
  it('gives, finds, lists and takes tags', async () => {
    const list = await query('--user', 'anna', '--status', 'completed', '--csv', '--columns', 'job_id')
    const added = await run(['tag', 'add', ' hero shot ', '-', '--json'], { input: list.stdout })
    const { jobs } = JSON.parse(added.stdout)
    expect(JSON.parse(added.stdout)).toEqual({
      tag: 'hero shot',
      jobs: list.stdout.trim().split('\n').length - 1,
    })
    expect((await run(['tag', 'search', 'hreo shot'])).stdout).toMatch(
      /^TAG +SIMILARITY\nhero shot +0\.\d\d$/,
    )
    expect((await run(['tag', 'list'])).stdout).toMatch(
      new RegExp(`^TAG +JOBS\\nhero shot +${jobs}\\nspring +4$`),
    )
    const removed = await run(['tag', 'remove', 'hero shot', jpeg.job_id])
    expect(removed).toMatchObject({
      status: 0,
      stderr: expect.stringMatching(/^Working in the .*\nRemoved the tag from 1 job\.$/),
    })
  })

  it.each([
    [['add', 'spring'], 'No jobs given.'],
    [['remove', 'spring'], 'No jobs given.'],
    [['add', 'spring', 'photos/cup.jpg'], 'is not a job id'],
    [['add', 'new', '019a6b7e-0000-7000-8000-000000000000'], 'nothing was tagged'],
    [['add', ' ', '019a6b7e-0000-7000-8000-000000000000'], 'a tag has 1 to 64 visible characters'],
    [['search'], 'tag'],
  ])('refuses %j with a sentence', async (args, sentence) => {
    const { status, stderr } = await run(['tag', ...args])
    expect(stderr).toContain(sentence)
    expect(status).toBe(2)
  })

  it('says when no tag is similar', async () => {
    expect(await run(['tag', 'search', 'zzz'])).toMatchObject({
      status: 0,
      stderr: 'No similar tag.',
    })
  })
})

describe('rmbg user', () => {
  it('names users and keeps their addresses encrypted', async () => {
    const set = await run(['user', 'set', 'anna', '--username', 'Anna Berg', '--email', 'Anna@example.com'])
    expect(set).toMatchObject({
      status: 0,
      stderr: expect.stringMatching(/^Working in the .*\nThe user anna is set, the address encrypted\.$/),
    })
    const [found] = JSON.parse((await run(['user', 'list', '--email', 'anna@example.com', '--json'])).stdout)
    expect(found).toMatchObject({ userId: 'anna', username: 'Anna Berg', email: 'Anna@example.com' })
    expect((await run(['user', 'list'])).stdout).toMatch(/^anna +Anna Berg +Anna@example.com +\d{4}/m)
    const without = await run(['user', 'list'], { env: { RMBG_ENCRYPTION_KEY: '' } })
    expect(without.stdout).toMatch(/^anna +Anna Berg +\(encrypted\)/m)
    const taken = await run(['user', 'set', 'ben', '--email', 'anna@EXAMPLE.com'])
    expect(taken.status).toBe(2)
    expect(taken.stderr).toContain('belongs to the user "anna"')
  })

  it.each([
    [['set', 'anna'], 'Give --username or --email.'],
    [['set', 'anna', '--email', 'nobody'], '"nobody" is not an e-mail address.'],
    [['set', 'anna', '--username', ' '], 'A name has 1 to 128 visible characters.'],
    [['set', 'x'.repeat(65), '--username', 'X'], 'The id of a user has 1 to 64 visible characters.'],
    [['list', '--email', 'nobody'], '"nobody" is not an e-mail address.'],
  ])('refuses %j with a sentence', async (args, sentence) => {
    const { status, stderr } = await run(['user', ...args])
    expect(stderr).toContain(sentence)
    expect(status).toBe(2)
  })

  it('refuses a key that is too short without repeating it', async () => {
    const { status, stderr } = await run(['user', 'list'], { env: { RMBG_ENCRYPTION_KEY: 'short-key' } })
    expect(status).toBe(2)
    expect(stderr).toContain('RMBG_ENCRYPTION_KEY is not usable')
    expect(stderr).not.toContain('short-key')
  })
})

it('no output shows the key', () => {
  expect(printed.length).toBeGreaterThan(100_000)
  expect(printed).not.toContain(key)
})
