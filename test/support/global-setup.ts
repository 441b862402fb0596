/** Makes the embedded database that tests copy: a new one takes seconds, a copy does not. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { openEmbedded } from '../../src/database/embedded.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** The folder of a migrated, closed embedded database. */
    embeddedDatabase: string
  }
}

declare global {
  /** Vitest loads this file once for each project. */
  var embeddedDatabase: Promise<string> | undefined
}

export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  globalThis.embeddedDatabase ??= makeDatabase()
  const folder = await globalThis.embeddedDatabase
  project.provide('embeddedDatabase', folder)
  return () => rm(dirname(folder), { recursive: true, force: true })
}

async function makeDatabase(): Promise<string> {
  const folder = join(await mkdtemp(join(tmpdir(), 'rmbg-embedded-')), 'database')
  const database = await openEmbedded(folder)
  await database.close()
  return folder
}
