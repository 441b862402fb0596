import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { Readable, type Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { RmbgError } from '../errors.ts'
import type { ForeignRelation, OwnObjects } from './own-objects.ts'
import { toolFailure } from './pg-tool-failure.ts'
import { libpqEnvironment } from './server/libpq-environment.ts'
import type { Server } from './server/resolve.ts'

type Tool = 'pg_dump' | 'pg_restore'

/** Where packages put PostgreSQL's programs of each release, besides the search path. */
const packageFolders = ['/usr/lib/postgresql', '/usr/pgsql', '/opt/homebrew/opt', '/usr/local/opt']

/**
 * Finds pg_dump or pg_restore: of the server's own major release where it is installed, else of the next newer one,
 * for an older one may not understand the server.
 *
 * @param serverMajor such as 15
 * @throws RmbgError DATABASE_ERROR saying what to install
 */
export async function findTool(tool: Tool, serverMajor: number): Promise<string> {
  const found: { path: string; major: number }[] = []
  for (const path of await candidates(tool)) {
    const version = await output(path, ['--version']).catch(() => undefined)
    const major = Number(/\(PostgreSQL\) (\d+)/.exec(version ?? '')?.[1])
    if (major) found.push({ path, major })
  }
  const [best] = found.filter(({ major }) => major >= serverMajor).sort((a, b) => a.major - b.major)
  if (best) return best.path
  const newest = found.sort((a, b) => b.major - a.major)[0]
  throw new RmbgError(
    'DATABASE_ERROR',
    newest
      ? `${tool} ${newest.major} is too old for this server (PostgreSQL ${serverMajor}).`
      : `${tool} is not installed.`,
    {
      hint: `Install PostgreSQL's client programs ${serverMajor} or newer (Debian: postgresql-client-${serverMajor}).`,
    },
  )
}

async function candidates(tool: Tool): Promise<string[]> {
  const folders = (process.env.PATH ?? '').split(delimiter).filter(Boolean)
  for (const folder of packageFolders) {
    for (const release of await readdir(folder).catch(() => [])) {
      if (/\d/.test(release)) folders.push(join(folder, release, 'bin'))
    }
  }
  return [...new Set(folders)].map((folder) => join(folder, tool))
}

export interface DumpChoice {
  serverMajor: number
  /** From pg_export_snapshot(): the dump shows what that transaction sees. */
  snapshot: string
  own: OwnObjects
  /** Left out. */
  foreign: readonly ForeignRelation[]
}

/**
 * Our schemas without others' tables, as an archive of pg_dump's custom format, as it is written. Others' functions and
 * types in these schemas are in there too, for pg_dump cannot leave them out, and are not restored. The stream fails
 * when pg_dump does.
 */
export async function dumpDatabase(
  server: Server,
  { serverMajor, snapshot, own, foreign }: DumpChoice,
): Promise<Readable> {
  const path = await findTool('pg_dump', serverMajor)
  const choice = [
    ...own.schemas.map((schema) => `--schema=${pattern(schema)}`),
    ...foreign.map(({ schema, name }) => `--exclude-table=${pattern(schema)}.${pattern(name)}`),
    // With --schema there are none, unless they are named, which pg_dump can since its release 14.
    ...(serverMajor < 14 ? [] : own.extensions.map(({ name }) => `--extension=${pattern(name)}`)),
  ]
  const args = ['--format=custom', `--snapshot=${snapshot}`, '--no-password', ...choice]
  const { env, remove } = await libpqEnvironment(server)
  const dump = spawn(path, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = outcome('pg_dump', dump)
  ended.catch(() => {}) // told at the end of the stream
  const bytes = async function* () {
    try {
      yield* dump.stdout
      await ended
    } finally {
      dump.kill()
      await remove()
    }
  }
  return Readable.from(bytes(), { objectMode: false })
}

/** Between quotes, no character of a name has a meaning in a pattern. */
const pattern = (name: string): string => `"${name.replaceAll('"', '""')}"`

export interface RestoreChoice {
  serverMajor: number
  /** From the table of contents, as `pg_restore --list` prints it, the lines of what is to be restored. */
  choose: (list: string) => string
}

/**
 * Fills an empty database from an archive, all or nothing.
 *
 * @param open the archive from its beginning; called twice
 * @throws RmbgError DATABASE_ERROR with what pg_restore said
 */
export async function restoreDatabase(
  server: Server,
  open: () => Promise<Readable>,
  { serverMajor, choose }: RestoreChoice,
): Promise<void> {
  const path = await findTool('pg_restore', serverMajor)
  const folder = await mkdtemp(join(tmpdir(), 'rmbg-restore-'))
  const { env, remove } = await libpqEnvironment(server)
  try {
    const list = join(folder, 'list')
    await writeFile(list, choose(await contentsOf(path, await open())))
    const restore = spawn(
      path,
      [
        ...['--single-transaction', '--exit-on-error', '--no-owner', '--no-password', `--use-list=${list}`],
        // Of the name only: where and as whom stands in the environment.
        `--dbname=${connectionValue(server.database)}`,
      ],
      { env, stdio: ['pipe', 'ignore', 'pipe'] },
    )
    const ended = outcome('pg_restore', restore)
    // A pg_restore that gives up closes its end first; what it says is what matters.
    await Promise.all([ended, feed(await open(), restore.stdin)])
  } finally {
    await Promise.all([remove(), rm(folder, { recursive: true, force: true })])
  }
}

/** The table of contents: it is at the beginning, and pg_restore reads no further. */
async function contentsOf(path: string, archive: Readable): Promise<string> {
  const listing = spawn(path, ['--list'], { stdio: ['pipe', 'pipe', 'pipe'] })
  const ended = outcome('pg_restore', listing)
  const [list] = await Promise.all([text(listing.stdout), ended, feed(archive, listing.stdin)])
  return list
}

async function feed(archive: Readable, input: Writable): Promise<void> {
  await pipeline(archive, input).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE' && error.code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error
  })
}

/** A name with = in it would be taken for connection parameters. */
const connectionValue = (database: string): string => `dbname='${database.replaceAll(/[\\']/g, '\\$&')}'`

async function outcome(tool: Tool, child: ChildProcess & { stderr: Readable }): Promise<void> {
  let said = ''
  child.stderr.on('data', (chunk) => {
    said = (said + chunk).slice(-4000)
  })
  const status = await new Promise<number | string | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve(code ?? signal))
  })
  if (status !== 0) throw toolFailure(tool, said, status)
}

async function output(path: string, args: string[]): Promise<string> {
  const child = spawn(path, args, { stdio: ['ignore', 'pipe', 'ignore'] })
  let text = ''
  child.stdout.on('data', (chunk) => {
    text += chunk
  })
  await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve))
  return text
}
