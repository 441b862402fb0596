/** The two ways rmbg is installed, as far as a killed command can tell them apart. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ResultPromise } from 'execa'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { openEmbedded } from '../../src/database/embedded.ts'
import type { ObjectStore } from '../../src/store/contract.ts'
import { directoryStore } from '../../src/store/directory.ts'
import { type Finished, jsonLines, rmbg, start } from '../support/cli.ts'
import { copyLeftDatabase } from '../support/embedded-database.ts'
import { describeServers, freshInstallation } from '../support/fixture-installation.ts'
import { workspaceIn } from '../support/fixture-workspace.ts'
import { picture } from '../support/images.ts'
import { expectInvariants, type JobRow } from '../support/job-rows.ts'
import { ownedStore } from '../support/owned-store.ts'

export type VariantName = 'embedded' | 'servers'
type See<T> = (sql: postgres.Sql, store: ObjectStore) => Promise<T>

export interface Variant {
  name: VariantName
  folder: string
  env: Record<string, string>
  start: (args: readonly string[], more?: Record<string, string>) => ResultPromise
  run: (args: readonly string[], more?: Record<string, string>) => Promise<Finished>
  /** Looks at database and store without touching what the next command will find there. */
  look: <T>(see: See<T>) => Promise<T>
  /** The same, for tests that write. */
  change: <T>(see: See<T>) => Promise<T>
  close: () => Promise<void>
}

function commands(
  folder: string,
  env: Record<string, string>,
): Pick<Variant, 'folder' | 'env' | 'start' | 'run'> {
  const options = (more: Record<string, string> = {}) => ({ cwd: folder, env: { ...env, ...more } })
  return {
    folder,
    env,
    // A line that ends in no newline was not said to its end.
    start: (args, more) => start(args, { ...options(more), stripFinalNewline: false }),
    run: (args, more) => rmbg(args, options(more)),
  }
}

export async function embeddedVariant(): Promise<Variant> {
  const folder = await mkdtemp(join(tmpdir(), 'rmbg-variant-'))
  const { home } = await workspaceIn(folder)
  const store = directoryStore(join(home, 'store'))
  const opened = async <T>(database: string, see: See<T>) => {
    const opening = await openEmbedded(database, { migrate: false })
    try {
      return await see(opening.sql, ownedStore(store, opening))
    } finally {
      await opening.close()
    }
  }
  return {
    name: 'embedded',
    ...commands(folder, { RMBG_HOME: home }),
    look: async (see) => {
      // Opening the cluster would repair it, and that is for the next command to do.
      const copy = join(folder, '.look')
      await copyLeftDatabase(join(home, 'database'), copy)
      try {
        return await opened(copy, see)
      } finally {
        await rm(copy, { recursive: true })
        await rm(`${copy}.lock`, { recursive: true, force: true })
      }
    },
    change: (see) => opened(join(home, 'database'), see),
    close: () => rm(folder, { recursive: true, force: true, maxRetries: 3 }),
  }
}

export async function serverVariant({ migrated = true } = {}): Promise<Variant> {
  const installation = await freshInstallation({ migrated })
  const sql = postgres(installation.database.url, { max: 1, onnotice: () => {}, fetch_types: false })
  const look = async <T>(see: See<T>) => {
    await untilAlone(sql)
    return see(sql, installation.store)
  }
  return {
    name: 'servers',
    ...commands(installation.folder, installation.env),
    look,
    change: look,
    close: async () => {
      await sql.end()
      await installation.close()
    },
  }
}

/** Waits until nobody else is connected: the server may still be busy with the last words of a killed client. */
export async function untilAlone(sql: postgres.Sql): Promise<void> {
  for (;;) {
    const others = await sql`
      select 1 from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'`
    if (others.length === 0) return
    await sleep(10)
  }
}

/** The same suite in both variants. */
export function inBothVariants(
  title: string,
  suite: (variant: () => Variant, name: VariantName) => void,
): void {
  const within = (name: VariantName, open: () => Promise<Variant>) => () => {
    let variant: Variant
    beforeAll(async () => {
      variant = await open()
    })
    afterAll(() => variant.close())
    suite(() => variant, name)
  }
  describe(`${title} [embedded database and folder]`, within('embedded', embeddedVariant))
  describeServers(`${title} [PostgreSQL and S3]`, within('servers', serverVariant))
}

/** Runs a command that ends as `kill -9` ends it, at a place or, `place@2`, when it gets there again. */
export async function killedAt(
  variant: Variant,
  killPoint: string,
  args: readonly string[],
  more: Record<string, string> = {},
): Promise<{ stdout: string }> {
  const killed = await variant.start(args, { ...more, RMBG_FAIL_POINT: killPoint })
  expect(killed.signal, `${killPoint}: ${killed.stderr}`).toBe('SIGKILL')
  return { stdout: String(killed.stdout) }
}

/** What `process --json` acknowledged: the whole lines of its output that tell a completed image. */
export const acknowledged = (stdout: string) =>
  jsonLines(stdout.slice(0, stdout.lastIndexOf('\n') + 1)).filter(({ status }) => status === 'completed')

/** The first ones are those of the workspace. */
let pictures = 100

/** A folder of small pictures such as no other test of this file has. */
export async function picturesIn(variant: Variant, name: string, count: number): Promise<string> {
  await mkdir(join(variant.folder, name), { recursive: true })
  for (let index = 0; index < count; index++) {
    await picture(pictures++)
      .jpeg()
      .toFile(join(variant.folder, name, `${index}.jpg`))
  }
  return name
}

/** Whether a row is of a file in one of the variant's folders. */
export const isIn =
  (variant: Variant, folder: string) =>
  ({ source_path }: JobRow): boolean =>
    source_path.startsWith(join(variant.folder, folder, '/'))

/**
 * The invariants as they hold after a kill, and more: who works on a job has a lease, and nobody else; an original that
 * completed jobs share counts once.
 */
export async function expectRecoverable(
  sql: postgres.Sql,
  store: ObjectStore,
  isRead?: (row: JobRow) => boolean,
): Promise<JobRow[]> {
  const rows = await expectInvariants(sql, store, isRead)
  const leased = await sql`
    select job_id from open_jobs where claim_id is not null order by source_path, job_id`
  expect(leased.map(({ job_id }) => job_id)).toEqual(
    rows.filter(({ status }) => status === 'processing').map(({ job_id }) => job_id),
  )
  const miscounted = await sql`
    select original_path from image_process_jobs where status = 'completed' and 'original' = any (kept)
    group by original_path having count(*) filter (where not original_shared) <> 1`
  expect(miscounted).toEqual([])
  return rows
}

/** The same with nothing left to recover: every job has ended, and the store holds what the rows name, no more. */
export async function expectWhole(
  sql: postgres.Sql,
  store: ObjectStore,
  isRead?: (row: JobRow) => boolean,
): Promise<JobRow[]> {
  const rows = await expectRecoverable(sql, store, isRead)
  expect(
    rows.map(({ status }) => status).filter((status) => status !== 'completed' && status !== 'failed'),
  ).toEqual([])
  expect(await sql`select job_id from tombstones where not kept`).toHaveLength(0)
  const named = new Set(rows.flatMap((row) => [row.original_path, row.mask_path, row.processed_path]))
  for (const kind of ['original/', 'mask/', 'processed/']) {
    for await (const { key } of store.list(kind)) expect(named.has(key), `${key} is left over`).toBe(true)
  }
  return rows
}
