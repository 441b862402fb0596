/**
 * The real servers tests run against, named by environment variables that `.ci/run` sets:
 * RMBG_TEST_DATABASE_URL (a role that may create databases), RMBG_TEST_S3_ENDPOINT (with AWS_ACCESS_KEY_ID,
 * AWS_SECRET_ACCESS_KEY and S3_REGION beside it) and RMBG_TEST_REDIS_URL. RMBG_TEST_POOLER_URL is a PgBouncer in front of
 * the database server, with pool_mode=transaction and three sessions for each database.
 * RMBG_TEST_NODES names the executables of other Node releases.
 * In CI a missing server is a failure; elsewhere its tests are skipped with the reason in their title.
 */
import { randomBytes } from 'node:crypto'
import { CreateBucketCommand, paginateListObjectsV2, S3Client } from '@aws-sdk/client-s3'
import postgres from 'postgres'
import { describe, inject } from 'vitest'
import { ownerKey } from '../../src/store/owner.ts'
import { refuseInUnitTests } from './projects.ts'

type Server =
  | 'RMBG_TEST_DATABASE_URL'
  | 'RMBG_TEST_POOLER_URL'
  | 'RMBG_TEST_S3_ENDPOINT'
  | 'RMBG_TEST_REDIS_URL'
  | 'RMBG_TEST_NODES'

function server(variable: Server): string | undefined {
  const value = process.env[variable]
  if (!value && process.env.CI) throw new Error(`${variable} is not set: CI must start this server`)
  return value || undefined
}

export const postgresUrl = server('RMBG_TEST_DATABASE_URL')
const poolerUrl = server('RMBG_TEST_POOLER_URL')
export const s3Endpoint = server('RMBG_TEST_S3_ENDPOINT')
export const redisUrl = server('RMBG_TEST_REDIS_URL')
export const otherNodes = (server('RMBG_TEST_NODES') ?? '').split(' ').filter(Boolean)

/**
 * `describe` that runs only with the server, and otherwise shows what was skipped and why. Its tests have the tag
 * `servers`: `npm run test:servers` runs these and no others.
 */
export function describeWith(variable: Server) {
  refuseInUnitTests('a server')
  return (title: string, suite: () => void) =>
    process.env[variable]
      ? describe(title, { tags: ['servers'] }, suite)
      : describe.skip(`${title} (skipped: ${variable} is not set)`, suite)
}

/** Creates an empty database on the test server. */
export const freshDatabase = () => createDatabase('template1')

/** Creates a migrated database on the test server: a copy of the one that global-setup.ts made. */
export async function migratedDatabase() {
  const template = inject('migratedDatabase')
  if (template === null) throw new Error('There is no server to copy a database on')
  return createDatabase(template)
}

/** `drop` removes it. */
async function createDatabase(template: string): Promise<{ url: string; drop: () => Promise<void> }> {
  const admin = postgres(postgresUrl!, { max: 1, onnotice: () => {} })
  const name = `rmbg_test_${randomBytes(6).toString('hex')}`
  await admin`create database ${admin(name)} template ${admin(template)}`
  const url = new URL(postgresUrl!)
  url.pathname = `/${name}`
  return {
    url: url.href,
    drop: async () => {
      // PostgreSQL 12 knows no DROP DATABASE … WITH (FORCE).
      await admin`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${name}`
      await admin`drop database ${admin(name)}`
      await admin.end()
    },
  }
}

/** The same database through the transaction pooler. */
export function pooled(databaseUrl: string): URL {
  const url = new URL(poolerUrl!)
  url.pathname = new URL(databaseUrl).pathname
  return url
}

/** Creates an empty bucket on the test store; `keys` lists what is in it. */
export async function freshBucket(): Promise<{
  bucket: string
  /** Settings for the program under test. */
  env: Record<string, string>
  /** Of all objects but the one that says whose they are. */
  keys: () => Promise<string[]>
}> {
  const client = new S3Client({ endpoint: s3Endpoint!, region: 'us-east-1', forcePathStyle: true })
  const bucket = `rmbg-test-${randomBytes(6).toString('hex')}`
  await client.send(new CreateBucketCommand({ Bucket: bucket }))
  return {
    bucket,
    env: {
      S3_BUCKET: bucket,
      S3_ENDPOINT: s3Endpoint!,
      AWS_ACCESS_KEY_ID: process.env.AWS_ACCESS_KEY_ID!,
      AWS_SECRET_ACCESS_KEY: process.env.AWS_SECRET_ACCESS_KEY!,
    },
    keys: async () => {
      const keys: string[] = []
      for await (const page of paginateListObjectsV2({ client }, { Bucket: bucket })) {
        keys.push(...(page.Contents ?? []).map((object) => object.Key!))
      }
      return keys.filter((key) => key !== ownerKey)
    },
  }
}
