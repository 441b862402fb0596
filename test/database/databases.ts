import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { v7 as uuidv7 } from 'uuid'
import { afterAll, beforeAll, describe } from 'vitest'
import { connectServer } from '../../src/database/connect.ts'
import type { Database } from '../../src/database/contract.ts'
import { openEmbedded } from '../../src/database/embedded.ts'
import { copyEmbeddedDatabase } from '../support/embedded-database.ts'
import { describeWith, migratedDatabase } from '../support/servers.ts'

interface Opened {
  database: Database
  drop: () => Promise<void>
}

/** The migrated databases of one test file: creating them takes seconds. */
const opened = new Map<Database['kind'], Promise<Opened>>()

afterAll(async () => {
  for (const { database, drop } of await Promise.all(opened.values())) {
    await database.close()
    await drop()
  }
})

/** The same suite on the embedded database and on a server: above them nobody may tell which it is. */
export function onBothDatabases(title: string, suite: (database: () => Database) => void): void {
  describe(`${title}, embedded`, () => suiteOn('embedded', openFreshEmbedded, suite))
  describeWith('RMBG_TEST_DATABASE_URL')(`${title}, PostgreSQL`, () =>
    suiteOn('server', openFreshServer, suite),
  )
}

function suiteOn(
  kind: Database['kind'],
  open: () => Promise<Opened>,
  suite: (database: () => Database) => void,
) {
  let database: Database
  beforeAll(async () => {
    if (!opened.has(kind)) opened.set(kind, open())
    database = (await opened.get(kind)!).database
  })
  suite(() => database)
}

async function openFreshEmbedded(): Promise<Opened> {
  const folder = join(tmpdir(), `rmbg-database-${uuidv7()}`)
  await copyEmbeddedDatabase(folder)
  // Tests ask pgcrypto, without which a database is opened that is known to be migrated.
  await rm(join(folder, 'migrated'), { force: true })
  const database = await openEmbedded(folder)
  return {
    database,
    drop: async () => {
      await rm(folder, { recursive: true })
      await rm(`${folder}.lock`, { recursive: true })
    },
  }
}

async function openFreshServer(): Promise<Opened> {
  const { url, drop } = await migratedDatabase()
  return { database: connectServer(url), drop }
}
