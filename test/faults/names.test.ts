/** Names of files, users, tags and models, and what servers say, are text: they command no terminal and lead nowhere. */
import { execFile } from 'node:child_process'
import {
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  realpath,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connectServer } from '../../src/database/connect.ts'
import { openEmbedded } from '../../src/database/embedded.ts'
import { directoryStore } from '../../src/store/directory.ts'
import { jsonLines, program, rmbg, temporaryFolder } from '../support/cli.ts'
import { freshWorkspace, workspaceIn } from '../support/fixture-workspace.ts'
import { picture } from '../support/images.ts'
import { expectInvariants, type JobRow } from '../support/job-rows.ts'
import { migratedDatabase, postgresUrl } from '../support/servers.ts'

/** What a terminal obeys, or what shows text in another order than it has. Line ends and tabs are the printer's own. */
const commanding = /[^\P{Cc}\n\t]|[\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u
const forged = 'completed  forged.jpg'

const names = [
  `line\n${forged}`,
  'return\r\nboth.jpg',
  'escape\u001b[2J\u001b]0;title\u0007.jpg',
  'one-byte\u009b31m.jpg',
  'delete\u007f\b\b.jpg',
  'right-to-left\u202egnp.jpg',
  'isolate\u2067x\u2069.jpg',
  'separators\u2028x\u2029.jpg',
  'tab\t.jpg',
  'a..b.jpg',
  ' blank .jpg',
  '--output.jpg',
  '-x.jpg',
  `quotes'"\`$(touch owned);\\.jpg`,
  '%s%n%00%2e%2e%2f.jpg',
  '*?[a]{b,c}!(d).jpg',
  '<img src=x onerror=alert(1)>.jpg',
  "=cmd|' C'!A0.jpg",
  'four \u{1f600}\u{2070e} bytes.jpg',
  `${'x'.repeat(251)}.jpg`,
  `${'\u{1f600}'.repeat(62)}abc.jpg`, // 255 bytes
  'COM1.jpg',
  'cafe\u0301.jpg',
]
const hostile = '\u001b[2J\u009b1m\u202e\n<b>x'

let folder: string
let home: string
/** Where there is one: the embedded database takes a second to open, every time. */
let server: Awaited<ReturnType<typeof migratedDatabase>> | undefined
let rows: JobRow[]
const environment = () => ({ RMBG_HOME: home, ...(server && { DATABASE_URL: server.url }) })
const run = (...args: string[]) => rmbg(args, { cwd: folder, env: environment() })
const open = () => (server ? connectServer(server.url) : openEmbedded(join(home, 'database')))
/** As on a terminal: the command's input and outputs are one. */
const onTerminal = async (...args: string[]) => {
  const quoted = [process.execPath, program, ...args].map((arg) => `'${arg.replaceAll("'", `'\\''`)}'`)
  const { stdout } = await promisify(execFile)('script', ['-qec', quoted.join(' '), '/dev/null'], {
    cwd: folder,
    env: { ...process.env, ...environment(), NO_COLOR: '1', TERM: 'xterm' },
  }).catch((failed) => failed)
  return stdout as string
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rmbg-names-'))
  home = (await workspaceIn(folder)).home
  if (postgresUrl !== undefined) {
    server = await migratedDatabase()
  }
  await mkdir(join(folder, 'hostile/in\u001b[31m'), { recursive: true })
  for (const [index, name] of names.entries()) {
    await writeFile(
      join(folder, 'hostile', name),
      await picture(index + 10, 40, 30)
        .jpeg()
        .toBuffer(),
    )
  }
  await writeFile(join(folder, 'hostile/in\u001b[31m/broken\u202e.jpg'), 'no picture')
})
afterAll(async () => {
  await server?.drop()
  await rm(folder, { recursive: true })
})

describe('names of files', () => {
  it('are processed whatever is in them, and stand in the log and in JSON exactly as they are', async () => {
    const { status, stdout } = await run(
      ...['process', 'hostile', '--json', '--model', 'backdrop', '--output', 'cutouts'],
    )
    expect(status).toBe(3)
    expect(stdout).not.toMatch(commanding)
    const images = jsonLines(stdout).filter(({ type }) => type === 'image')
    const failed = 'hostile/in\u001b[31m/broken\u202e.jpg'
    expect(images.map(({ input }) => input).sort()).toEqual(
      [...names.map((name) => `hostile/${name}`), failed].sort(),
    )
    const database = await open()
    rows = await expectInvariants(database.sql, directoryStore(join(home, 'store')))
    await database.close()
    expect(rows.map(({ source_path }) => source_path).sort()).toEqual(
      images.map(({ input }) => join(folder, input)).sort(),
    )
    const isDone = new Set(images.filter(({ status }) => status === 'completed').map(({ input }) => input))
    expect(isDone.size).toBe(names.length)
    for (const { original_path } of rows) {
      expect(original_path).toMatch(/^original\/\d{4}\/\d\d\/\d\d\/[0-9a-f-]{36}-1\.jpg$/)
    }
  })

  it('lead to cut-outs below the output folder only', async () => {
    expect(await readdir(folder)).toEqual(expect.not.arrayContaining(['owned', 'etc']))
    const cutouts = await readdir(join(folder, 'cutouts'))
    expect(cutouts).toHaveLength(names.length)
    expect(cutouts).toContain('a..b.png')
    for (const name of cutouts) expect(Buffer.byteLength(name)).toBeLessThanOrEqual(255)
  })

  it('mean the same in a list', async () => {
    const { status, stdout } = await rmbg(
      ['process', '-', '--json', '--model', 'backdrop', '--user', 'anna'],
      {
        cwd: folder,
        env: environment(),
        input: names.map((name) => `hostile/${name}\0`).join(''),
        stdin: 'pipe',
      },
    )
    expect(status, stdout).toBe(0)
    expect(jsonLines(stdout).at(-1)).toMatchObject({ type: 'summary', skipped: names.length, completed: 0 })
  })

  it('with backslashes lead nowhere but to themselves', async () => {
    const { folder, run } = await freshWorkspace()
    await mkdir(join(folder, 'in/x'), { recursive: true })
    // Were they taken for slashes, it would be photos/cup.jpg.
    await writeFile(join(folder, 'in/x\\..\\..\\photos\\cup.jpg'), 'no picture')
    const { status, stdout } = await run('process', 'in', '--output', 'cutouts')
    expect(status).toBe(3)
    expect(stdout).toContain('0 completed, 0 skipped, 1 failed of 1')
  })

  it('that are not UTF-8 are processed, and shown as in a URL', async () => {
    const { folder, run } = await freshWorkspace()
    await mkdir(join(folder, 'latin'))
    await writeFile(
      Buffer.concat([Buffer.from(join(folder, 'latin/caf')), Buffer.from([0xe9]), Buffer.from('.jpg')]),
      await picture(1).jpeg().toBuffer(),
    )
    await writeFile(join(folder, 'latin/good.jpg'), await picture(2).jpeg().toBuffer())
    const { status, stdout } = await run('process', 'latin', '--json')
    expect(status).toBe(0)
    const outcomes = jsonLines(stdout)
      .filter(({ type }) => type === 'image')
      .map(({ input, status, code }) => [input, code ?? status])
    expect(outcomes.sort()).toEqual([
      ['latin/caf%E9.jpg', 'completed'],
      ['latin/good.jpg', 'completed'],
    ])
  })
})

describe('what is shown to people', () => {
  beforeAll(async () => {
    const database = await open()
    const { sql } = database
    // As another program, or an older release, may have left them.
    await sql`insert into users (user_id, username, email) values (${`${hostile}u`}, ${hostile}, ${hostile})`
    await sql`insert into tags (name) values (${hostile})`
    const failed = rows.find(({ status }) => status === 'failed')!
    await sql`
      update image_process_jobs set user_id = ${`${hostile}u`}, error_message = ${hostile}, error_code = ${hostile.slice(0, 6)},
        params = ${sql.json({ model: { name: hostile } })}, execution_provider = ${hostile}
      where job_id = ${failed.job_id}`
    await sql`insert into image_tags select ${failed.job_id}, tag_id from tags where name = ${hostile}`
    await database.close()
  })

  it('exactly says in JSON what is in the log', async () => {
    const jobs = jsonLines((await run('query', '--user', `${hostile}u`, '--ndjson')).stdout)
    expect(jobs).toMatchObject([{ userId: `${hostile}u`, errorMessage: hostile, tags: [hostile] }])
  })

  it.each<[string[]]>([
    [['process', 'hostile', '--model', 'backdrop', '--verbose']],
    [['process', 'hostile', '--model', 'backdrop', '--dry-run', '--output', `cut${'\u202e'}outs`]],
    [['process', '\u001b[2Jnone*.jpg']],
    [['process', 'hostile', '--model', '\u001b[2Jnone']],
    [['process', '--\u001b[2J=x']],
    [['process', 'hostile', '--user', '\u001b[2Jx']],
    [['process', 'hostile', '--tag', '\u001b[2Jx', '--model', 'backdrop']],
    [['process', 'hostile', '--format', '\u009b2Jx']],
    [['\u001b[2Jhello']],
    [['query', '\u001b[2J']],
    [['query']],
    [['query', '--columns', 'source_path,user_id,params,error_message,execution_provider,tags']],
    [['query', '--csv']],
    [['query', '--ndjson']],
    [['query', '--json']],
    [['query', '--name', '*\u001b*', '--explain']],
    [['stats', '--by', 'user']],
    [['stats', '--by', 'error']],
    [['stats', '--by', 'model', '--json']],
    [['health', '--openmetrics']],
    [['tag', 'list']],
    [['tag', 'list', '--json']],
    [['tag', 'search', '\u001b[2J']],
    [['user', 'list']],
    [['user', 'list', '--json']],
    [['check', 'hostile', '--preset', 'amazon']],
    [['model', 'path', '\u001b[2J']],
  ])('commands no terminal: rmbg %j', async (args) => {
    const { stdout, stderr } = await run(...args)
    expect(stdout + stderr).not.toBe('')
    expect(stdout).not.toMatch(commanding)
    expect(stderr).not.toMatch(commanding)
    expect(`${stdout}\n${stderr}`.split('\n')).not.toContain(forged)
  })

  it('commands none by progress on one either', async () => {
    const shown = await onTerminal('process', 'hostile', '--force', '--model', 'backdrop', '--verbose')
    // The bar is drawn by commands of its own: of cursor and line, and none of them from a name.
    const own = new RegExp(`${'\u001b'}\\[(\\?25[lh]|\\d*[GK]|J|0?m|\\?7[lh])|${'\u001b'}[78]|\r`, 'g')
    expect(shown).toContain('escape\\u001b[2J\\u001b]0;title\\u0007.jpg')
    expect(shown.replaceAll(own, '')).not.toMatch(commanding)
  })

  it('is no markup in a report', async () => {
    await run('stats', '--html', 'report.html')
    const report = await readFile(join(folder, 'report.html'), 'utf8')
    expect(report).not.toMatch(commanding)
    expect(report).not.toContain('<b>x')
  })
})

describe('links', () => {
  it('that lead in circles, nowhere or to folders end nothing, and a folder is not left through one', async () => {
    const { folder, run } = await freshWorkspace()
    const outside = await temporaryFolder()
    await writeFile(join(outside, 'secret.jpg'), await picture(77).jpeg().toBuffer())
    await symlink('.', join(folder, 'photos/itself'))
    await symlink('../photos', join(folder, 'photos/summer/up'))
    await symlink(outside, join(folder, 'photos/outside'))
    await symlink('loop.jpg', join(folder, 'photos/loop.jpg'))
    await symlink('b.jpg', join(folder, 'photos/a.jpg'))
    await symlink('a.jpg', join(folder, 'photos/b.jpg'))
    await symlink('/nowhere.jpg', join(folder, 'photos/nowhere.jpg'))
    await symlink('/dev/zero', join(folder, 'photos/zero.jpg'))
    await symlink(join(outside, 'secret.jpg'), join(folder, 'photos/linked.jpg'))
    const { status, stdout } = await run('process', 'photos', '--json', '--output', 'cutouts')
    expect(status).toBe(3)
    const outcomes = jsonLines(stdout)
      .filter(({ type }) => type === 'image')
      .map(({ input, status, code }) => [input, code ?? status])
    expect(Object.fromEntries(outcomes)).toEqual({
      'photos/a.jpg': 'INPUT_UNREADABLE',
      'photos/b.jpg': 'INPUT_UNREADABLE',
      'photos/loop.jpg': 'INPUT_UNREADABLE',
      'photos/nowhere.jpg': 'INPUT_NOT_FOUND',
      'photos/zero.jpg': 'INPUT_UNSUPPORTED',
      'photos/cup.jpg': 'completed',
      'photos/cup.png': 'completed',
      'photos/summer/cup.webp': 'completed',
      // A linked file is the file it leads to.
      'photos/linked.jpg': 'completed',
    })
    expect(await readdir(outside)).toEqual(['secret.jpg'])
  })

  it('in the place of a cut-out stay, and with --overwrite are replaced, but never followed', async () => {
    const { folder, run } = await freshWorkspace()
    const outside = await temporaryFolder()
    const victim = join(outside, 'victim.png')
    await writeFile(victim, 'mine')
    await mkdir(join(folder, 'cutouts'))
    await symlink(victim, join(folder, 'cutouts/cup.jpg.png'))
    const kept = await run('process', 'photos', '--output', 'cutouts')
    expect(kept.status, kept.stderr).toBe(0)
    expect(kept.stdout).toContain('cutouts/cup.jpg.png: not a cut-out of ours (--overwrite replaces it)')
    expect(await readlink(join(folder, 'cutouts/cup.jpg.png'))).toBe(victim)
    expect((await run('process', 'photos', '--output', 'cutouts', '--overwrite')).status).toBe(0)
    expect(await readFile(victim, 'utf8')).toBe('mine')
    expect(await realpath(join(folder, 'cutouts/cup.jpg.png'))).toBe(
      join(await realpath(folder), 'cutouts/cup.jpg.png'),
    )
  })

  it('and .. in inputs and in --output are seen through: nothing is written beside the output folder', async () => {
    const { folder, run } = await freshWorkspace()
    await mkdir(join(folder, 'work'))
    await writeFile(join(folder, 'list'), 'photos/../photos/./cup.jpg\nphotos/summer/../../photos/cup.png\n')
    const { status, stdout } = await run(
      'process',
      '--from-file',
      'list',
      '--output',
      'work/../cut/../cutouts',
      '--json',
    )
    expect(status, stdout).toBe(0)
    expect(await readdir(folder)).toEqual(['.home', 'cutouts', 'list', 'photos', 'work'])
    expect((await readdir(join(folder, 'cutouts'))).sort()).toEqual(['cup.jpg.png', 'cup.png.png'])
  })
})

describe('what a server says', () => {
  it('commands no terminal', async () => {
    // A database that answers with an error of its own wording.
    const fields = `SFATAL\0C28P01\0M${'\u001b[2J\u202e gone\nforged'}\0\0`
    const answer = Buffer.alloc(5)
    answer.write('E', 'latin1')
    answer.writeInt32BE(Buffer.byteLength(fields) + 4, 1)
    const server = createServer((socket) => {
      socket.on('error', () => {})
      socket.once('data', () => socket.end(Buffer.concat([answer, Buffer.from(fields)])))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    try {
      const { port } = server.address() as { port: number }
      const { status, stderr } = await rmbg(['query'], {
        cwd: folder,
        env: { RMBG_HOME: home, DATABASE_URL: `postgres://anna@127.0.0.1:${port}/x` },
      })
      expect(status).toBe(4)
      expect(stderr).toContain('refused the login: \\u001b[2J\\u202e gone\\u000aforged.')
      expect(stderr).not.toMatch(commanding)
    } finally {
      server.close()
    }
  })
})
