/** rmbg as it is installed in production: PostgreSQL and an S3-compatible store. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connectServer } from '../../src/database/connect.ts'
import type { Database } from '../../src/database/contract.ts'
import type { ObjectStore } from '../../src/store/contract.ts'
import { s3Store } from '../../src/store/s3/index.ts'
import { rmbg } from './cli.ts'
import { ownedStore } from './owned-store.ts'
import {
  describeWith,
  freshBucket,
  freshDatabase,
  migratedDatabase,
  postgresUrl,
  s3Endpoint,
} from './servers.ts'

/** Skips, visibly, without both servers. */
export const describeServers = postgresUrl
  ? describeWith('RMBG_TEST_S3_ENDPOINT')
  : describeWith('RMBG_TEST_DATABASE_URL')

/** One database and one bucket for one test, and the settings that lead there. */
export async function freshInstallation({ migrated = false } = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'rmbg-installation-'))
  const database = await (migrated ? migratedDatabase() : freshDatabase())
  const bucket = await freshBucket()
  const env = { RMBG_HOME: join(folder, '.home'), DATABASE_URL: database.url, ...bucket.env }
  const connection: Database = connectServer(database.url)
  const store: ObjectStore = ownedStore(s3Store({ bucket: bucket.bucket, endpoint: s3Endpoint! }), () =>
    connectServer(database.url),
  )
  return {
    folder,
    env,
    database,
    bucket,
    sql: connection.sql,
    store,
    /** The command in this installation's folder and settings. */
    run: (args: string[], more: Record<string, string> = {}) =>
      rmbg(args, { cwd: folder, env: { ...env, ...more } }),
    close: async () => {
      await store.close()
      await connection.close()
      await database.drop()
      await rm(folder, { recursive: true })
    },
  }
}
export type Installation = Awaited<ReturnType<typeof freshInstallation>>
