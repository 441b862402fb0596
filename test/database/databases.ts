import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { v7 as uuidv7 } from 'uuid'
import { afterAll, beforeAll, describe } from 'vitest'
import { connectServer, type Database } from '../../src/database/connect.ts'
import { openEmbedded } from '../../src/database/embedded.ts'
import { applyMigrations } from '../../src/database/migrate.ts'
import { describeWith, freshDatabase } from '../support/servers.ts'

/** The same suite on the embedded database and on a server: above them nobody may tell which it is. */
export function onBothDatabases(title: string, suite: (database: () => Database) => void): void {
  describe(`${title}, embedded`, () => {
    const folder = join(tmpdir(), `rmbg-database-${uuidv7()}`)
    let database: Database
    beforeAll(async () => {
      database = await openEmbedded(folder)
    })
    afterAll(async () => {
      await database.close()
      await rm(folder, { recursive: true })
    })
    suite(() => database)
  })
  describeWith('RMBG_TEST_DATABASE_URL')(`${title}, PostgreSQL`, () => {
    let database: Database
    let drop: () => Promise<void>
    beforeAll(async () => {
      const fresh = await freshDatabase()
      drop = fresh.drop
      database = connectServer(fresh.url)
      await applyMigrations(database)
    })
    afterAll(async () => {
      await database.close()
      await drop()
    })
    suite(() => database)
  })
}
