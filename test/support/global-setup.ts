/** Makes the databases that tests copy, embedded and on the server: a new one takes seconds, a copy does not. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import postgres from 'postgres'
import type { TestProject } from 'vitest/node'
import { connectServer } from '../../src/database/connect.ts'
import { openEmbedded } from '../../src/database/embedded.ts'
import { applyMigrations } from '../../src/database/migrate.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** The folder of a migrated, closed embedded database. */
    embeddedDatabase: string
    /** The name of a migrated database on the test server, to which nobody is connected; null without a server. */
    migratedDatabase: string | null
  }
}

declare global {
  /** Vitest loads this file once for each project. */
  var embeddedDatabase: Promise<string> | undefined
  var migratedDatabase: Promise<string | null> | undefined
}

const url = process.env.RMBG_TEST_DATABASE_URL

export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  globalThis.embeddedDatabase ??= makeDatabase()
  globalThis.migratedDatabase ??= url ? makeOnServer(url) : Promise.resolve(null)
  const [folder, name] = await Promise.all([globalThis.embeddedDatabase, globalThis.migratedDatabase])
  project.provide('embeddedDatabase', folder)
  project.provide('migratedDatabase', name)
  return async () => {
    await rm(dirname(folder), { recursive: true, force: true })
    if (url && name !== null) await onServer(url, (sql) => sql`drop database if exists ${sql(name)}`)
  }
}

async function makeOnServer(serverUrl: string): Promise<string> {
  const name = `rmbg_test_${randomBytes(6).toString('hex')}`
  await onServer(serverUrl, (sql) => sql`create database ${sql(name)}`)
  const database = connectServer(Object.assign(new URL(serverUrl), { pathname: `/${name}` }).href)
  await applyMigrations(database)
  await database.close()
  return name
}

async function onServer(serverUrl: string, act: (sql: postgres.Sql) => Promise<unknown>): Promise<void> {
  const sql = postgres(serverUrl, { max: 1, onnotice: () => {} })
  try {
    await act(sql)
  } finally {
    await sql.end()
  }
}

async function makeDatabase(): Promise<string> {
  const folder = join(await mkdtemp(join(tmpdir(), 'rmbg-embedded-')), 'database')
  const database = await openEmbedded(folder)
  await database.close()
  return folder
}
