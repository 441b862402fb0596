/** A campaign, its workers on a Node that pg-boss supports, and what became of it. */
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa, type ResultPromise } from 'execa'
import sharp from 'sharp'
import { describe, onTestFinished } from 'vitest'
import { connectServer } from '../../src/database/connect.ts'
import { applyMigrations } from '../../src/database/migrate.ts'
import { cleanEnvironment, jsonLines, temporaryFolder } from '../support/cli.ts'
import { describeWith, migratedDatabase, otherNodes } from '../support/servers.ts'

const [major = 0] = process.versions.node.split('.').map(Number)
/** The executable of a Node that pg-boss 12 supports. */
export const fleetNode =
  major >= 22 ? process.execPath : otherNodes.find((path) => /22\.|node22/.test(path) && existsSync(path))

/** Skips, visibly, without PostgreSQL, and without a newer Node. */
export const describeFleet = (title: string, suite: () => void) =>
  fleetNode === undefined
    ? describe.skip(`${title} (skipped: RMBG_TEST_NODES names no Node 22)`, suite)
    : describeWith('RMBG_TEST_DATABASE_URL')(title, suite)

export interface Told {
  type: string
  [field: string]: unknown
}

export interface Program {
  run: ResultPromise
  /** What it has told so far. */
  told: Told[]
  /** Resolves when it has told of something. */
  until: (is: (event: Told) => boolean, times?: number) => Promise<void>
}

/** Starts `program.mjs`. */
function startProgram(
  given: Record<string, unknown>,
  env: Record<string, string> = {},
  wrapper: string[] = [],
): Program {
  const [file = '', ...args] = [
    ...wrapper,
    fleetNode!,
    fileURLToPath(new URL('./program.mjs', import.meta.url)),
    JSON.stringify(given),
  ]
  const run = execa(file, args, {
    ...{ reject: false, extendEnv: false, stdin: 'ignore', buffer: { stdout: false } },
    // The shortest heartbeat that pg-boss takes.
    env: { ...(cleanEnvironment() as Record<string, string>), RMBG_LEASE_MS: '10000', ...env },
  }) as unknown as ResultPromise
  const told: Told[] = []
  const listeners = new Set<() => void>()
  let rest = ''
  run.stdout!.on('data', (text: Buffer) => {
    const lines = (rest + text.toString()).split('\n')
    rest = lines.pop() ?? ''
    told.push(...(jsonLines(lines.join('\n')) as Told[]))
    for (const listener of listeners) listener()
  })
  const until = (is: (event: Told) => boolean, times = 1) =>
    new Promise<void>((resolve, reject) => {
      const look = () => {
        if (told.filter(is).length >= times) resolve()
      }
      listeners.add(look)
      look()
      void run.then(({ stderr }) => reject(new Error(`It ended before: ${stderr}`)))
    })
  onTestFinished(() => void run.kill('SIGKILL'))
  return { run, told, until }
}

/** A database, and pictures that differ, for one test. */
export async function freshFleet(
  { images, poisoned = [] }: { images: number; poisoned?: number[] },
  url?: string,
) {
  const folder = await temporaryFolder()
  const database = url === undefined ? await migratedDatabase() : { url, drop: async () => {} }
  const connection = connectServer(database.url)
  if (url !== undefined) await applyMigrations(connection)
  onTestFinished(async () => {
    await connection.close()
    await database.drop()
  })
  const photos = join(folder, 'photos')
  await mkdir(photos)
  const names = Array.from({ length: images }, (_, index) =>
    join(photos, `${String(index).padStart(4, '0')}.png`),
  )
  for (const [index, name] of names.entries()) {
    const background = poisoned.includes(index)
      ? { r: 255, g: 0, b: 0 }
      : { r: index % 200, g: 128, b: (index * 7) % 255 }
    await sharp({ create: { width: 16, height: 16, channels: 3, background } })
      .png()
      .toFile(name)
  }
  const shared = { url: database.url, store: join(folder, 'store'), name: 'test' }
  const { sql } = connection
  return {
    ...{ folder, photos, names, sql, url: database.url },
    awayFile: join(folder, 'away'),
    start: (given: Record<string, unknown>, env: Record<string, string> = {}, wrapper: string[] = []) =>
      startProgram({ ...shared, ...given }, env, wrapper),
    enqueue: async (given: Record<string, unknown> = {}, env: Record<string, string> = {}) => {
      const program = startProgram({ do: 'enqueue', ...shared, inputs: [photos], ...given }, env)
      const { exitCode, stderr, signal } = await program.run
      return {
        enqueued: program.told.find(({ type }) => type === 'enqueued'),
        exitCode,
        signal,
        stderr: String(stderr),
      }
    },
    /** Every picture that is in the queue, in its order of names. */
    queued: async (): Promise<string[]> => {
      const rows = await sql`
        select item ->> 'path' as path from pgboss.job, jsonb_array_elements(data -> 'items') item
        where name not like '%/dead' and state <= 'active' order by 1`
      return rows.map(({ path }) => path)
    },
    /** How often each picture is in the log, by status and attempt. */
    jobs: async () =>
      sql<{ status: string; jobs: number; contents: number }[]>`
        select status, count(*)::int as jobs, count(distinct content_sha256)::int as contents
        from all_jobs group by status order by status`,
    progress: async () => {
      const [row] = await sql`
        select coalesce(sum(completed), 0)::int as completed, coalesce(sum(skipped), 0)::int as skipped
        from campaign_progress`
      return row as { completed: number; skipped: number }
    },
    hide: (file: string) => writeFile(file, ''),
  }
}

export const isImage = ({ type }: Told): boolean => type === 'image'
