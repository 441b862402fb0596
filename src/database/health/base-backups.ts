import { execFile } from 'node:child_process'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { z } from 'zod'
import { RmbgError } from '../../errors.ts'
import type { Database } from '../contract.ts'
import { withDatabase } from '../errors.ts'

/** A physical copy of a server, which archived WAL can be replayed onto. */
export interface BaseBackup {
  /** ISO 8601, UTC: when it was complete. WAL brings it to any later moment, and to none before. */
  completedAt: string
  /** The first segment that it needs; null where that is not told. */
  firstSegment: string | null
  /** Where it was found, for people. */
  foundIn: string
}

/** One place to look in: what is there, or why that cannot be told. */
export interface BaseBackupLook {
  place: string
  backups: BaseBackup[]
  /** One sentence. */
  unseen?: string
}

/** `pgbackrest:STANZA` or `wal-g`. */
export type BackupTool = { tool: 'pgbackrest'; stanza: string } | { tool: 'wal-g' }

/** @throws RmbgError USAGE */
export function parseBackupTool(text: string): BackupTool {
  const [, stanza] = /^pgbackrest:([\w.-]+)$/.exec(text) ?? []
  if (stanza !== undefined) return { tool: 'pgbackrest', stanza }
  if (text === 'wal-g') return { tool: 'wal-g' }
  throw new RmbgError('USAGE', `"${text}" names no program that makes base backups.`, {
    hint: 'Write pgbackrest:STANZA or wal-g.',
  })
}

/**
 * Whoever makes a base backup of a primary leaves a history file in pg_wal, which stays there until the next: the server
 * itself tells, whatever tool it was and wherever the copy is. One that was made of a standby leaves none.
 */
export async function askServer({ sql }: Database): Promise<BaseBackupLook> {
  const place = 'pg_wal of the server'
  try {
    const rows = await withDatabase(
      () => sql<{ name: string; at: Date }[]>`
        select name, modification as at from pg_ls_waldir() where name like '%.backup' order by modification`,
    )
    return {
      place,
      backups: rows.map(({ name, at }) => ({
        ...{ completedAt: at.toISOString(), firstSegment: name.slice(0, 24), foundIn: place },
      })),
    }
  } catch (error) {
    if (!(error instanceof RmbgError) || error.code !== 'DATABASE_DENIED') throw error
    return { place, backups: [], unseen: 'This role may not look into it: GRANT pg_monitor shows it.' }
  }
}

/** How many base backups are on their way at this moment; PostgreSQL 12 cannot tell of any. */
export async function runningBaseBackups({ sql }: Database): Promise<number> {
  const [view] = await withDatabase(
    () =>
      sql<{ isThere: boolean }[]>`select to_regclass('pg_stat_progress_basebackup') is not null as "isThere"`,
  )
  if (!view?.isThere) return 0
  const rows = await withDatabase(() => sql`select pid from pg_stat_progress_basebackup`)
  return rows.length
}

/** History files in an archive on this machine, as `archive_command` copies them there with the segments. */
export async function lookIntoArchive(folder: string): Promise<BaseBackupLook> {
  const place = `the archive ${folder}`
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => error)
  if (names instanceof Error) {
    return {
      place,
      backups: [],
      unseen: `It cannot be read on this machine (${names.code ?? names.message}).`,
    }
  }
  const files = names.filter((name) => /^[0-9A-F]{24}\.[0-9A-F]{8}\.backup$/.test(name))
  const backups = await Promise.all(
    files.map(async (name) => ({
      ...{ completedAt: await stopTime(join(folder, name)), firstSegment: name.slice(0, 24), foundIn: place },
    })),
  )
  return { place, backups: sortedByTime(backups) }
}

/** As the history file says; in other zones than UTC, whose names only the server knows, when it was archived. */
async function stopTime(path: string): Promise<string> {
  const [, at] = /^STOP TIME: (\S+ \S+) (?:UTC|GMT)$/m.exec(await readFile(path, 'utf8')) ?? []
  return (at === undefined ? (await stat(path)).mtime : new Date(`${at}Z`)).toISOString()
}

const pgBackRestInfo = z.array(
  z.object({
    name: z.string(),
    status: z.object({ code: z.number(), message: z.string() }),
    backup: z.array(
      z.object({
        timestamp: z.object({ stop: z.number() }),
        archive: z.object({ start: z.string().nullable() }),
        error: z.boolean().nullish(),
      }),
    ),
  }),
)
const walGList = z.array(
  z.object({
    backup_name: z.string(),
    wal_file_name: z.string().nullish(),
    // Releases differ.
    time: z.string().optional(),
    modified: z.string().optional(),
    finish_time: z.string().optional(),
  }),
)

/**
 * Asks pgBackRest or wal-g on this machine, with their own configuration.
 *
 * @throws RmbgError DATABASE_ERROR when it cannot be run, or says something else than a list
 */
export async function askTool(named: BackupTool, signal?: AbortSignal): Promise<BaseBackupLook> {
  return named.tool === 'pgbackrest' ? askPgBackRest(named.stanza, signal) : askWalG(signal)
}

async function askPgBackRest(stanza: string, signal?: AbortSignal): Promise<BaseBackupLook> {
  const place = `pgBackRest, stanza ${stanza}`
  const said = await ask('pgbackrest', [`--stanza=${stanza}`, '--output=json', 'info'], signal)
  const found = pgBackRestInfo.parse(said).find(({ name }) => name === stanza)
  const backups = (found?.backup ?? [])
    .filter(({ error }) => !error)
    .map(({ timestamp, archive }) => ({
      completedAt: new Date(timestamp.stop * 1000).toISOString(),
      firstSegment: archive.start,
      foundIn: place,
    }))
  // Codes below 4 are about what is missing; without a backup that is one of them.
  const trouble = found === undefined ? 'It knows no such stanza.' : `It says: ${found.status.message}.`
  const isFine = found !== undefined && (found.status.code === 0 || found.status.code === 2)
  return { place, backups: sortedByTime(backups), ...(!isFine && { unseen: trouble }) }
}

async function askWalG(signal?: AbortSignal): Promise<BaseBackupLook> {
  const place = 'wal-g'
  const said = walGList.parse(await ask('wal-g', ['backup-list', '--json'], signal))
  const backups = said.flatMap(({ wal_file_name, finish_time, time, modified }) => {
    const at = Date.parse(finish_time ?? time ?? modified ?? '')
    if (Number.isNaN(at)) return []
    return [{ completedAt: new Date(at).toISOString(), firstSegment: wal_file_name ?? null, foundIn: place }]
  })
  return { place, backups: sortedByTime(backups) }
}

const execute = promisify(execFile)

async function ask(program: string, args: readonly string[], signal?: AbortSignal): Promise<unknown> {
  const call = `${program} ${args.join(' ')}`
  const { stdout } = await execute(program, [...args], { timeout: 120_000, signal }).catch((cause) => {
    signal?.throwIfAborted()
    throw notAnswered(program, call, cause)
  })
  try {
    // wal-g prints nothing where there is none.
    return JSON.parse(stdout.trim() === '' ? '[]' : stdout)
  } catch {
    throw new RmbgError('DATABASE_ERROR', `${call} printed no JSON.`, {
      hint: `Update ${program}: its list was not understood.`,
    })
  }
}

function notAnswered(
  program: string,
  call: string,
  cause: { code?: string | number; message: string; stdout?: string; stderr?: string },
): RmbgError {
  if (cause.code === 'ENOENT') {
    return new RmbgError('DATABASE_ERROR', `${program} is not installed on this machine.`, {
      hint: `Run rmbg wal where ${program} is configured, or leave --base-backups out.`,
      cause,
    })
  }
  const said = `${cause.stderr}\n${cause.stdout}`.split('\n').find((line) => /error|fatal/i.test(line))
  return new RmbgError('DATABASE_ERROR', `${call} failed: ${(said ?? cause.message).trim()}.`, {
    hint: 'Run it by hand, as the same user: it reads its own configuration.',
    cause,
  })
}

const sortedByTime = (backups: BaseBackup[]): BaseBackup[] =>
  backups.sort((a, b) => Date.parse(a.completedAt) - Date.parse(b.completedAt))
