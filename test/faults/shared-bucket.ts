/** Two installations that keep their objects in one bucket, each with a database of its own, beside what is nobody's. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PutObjectCommand, paginateListObjectsV2, S3Client } from '@aws-sdk/client-s3'
import type { ResultPromise } from 'execa'
import postgres from 'postgres'
import type { ObjectStore } from '../../src/store/contract.ts'
import { s3Store } from '../../src/store/s3/index.ts'
import { type Finished, rmbg, start } from '../support/cli.ts'
import { freshBucket, migratedDatabase, s3Endpoint } from '../support/servers.ts'

export interface Neighbor {
  name: string
  /** Of its keys in the bucket; empty or ending in a slash. */
  prefix: string
  /** A connection to its database that the commands do not know of. */
  sql: postgres.Sql
  /** What lies below its prefix, straight from the server. */
  store: ObjectStore
  start: (args: readonly string[], more?: Record<string, string>) => ResultPromise
  run: (args: readonly string[], more?: Record<string, string>) => Promise<Finished>
}

export interface SharedBucket {
  /** The working directory of all commands. */
  folder: string
  neighbors: readonly [Neighbor, Neighbor]
  /** Of every object in the bucket, by its key: what changes when it is written anew, even with the same content. */
  versions: () => Promise<Map<string, string>>
  put: (key: string, text: string) => Promise<void>
  close: () => Promise<void>
}

/** @param prefixes of the two; empty or ending in a slash */
export async function sharedBucket(prefixes: readonly [string, string]): Promise<SharedBucket> {
  const folder = await mkdtemp(join(tmpdir(), 'rmbg-shared-'))
  const bucket = await freshBucket()
  const client = new S3Client({ endpoint: s3Endpoint!, region: 'us-east-1', forcePathStyle: true })
  const closing: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })]

  const moveIn = async (name: string, prefix: string): Promise<Neighbor> => {
    const database = await migratedDatabase()
    const sql = postgres(database.url, { max: 1, onnotice: () => {}, fetch_types: false })
    const store = s3Store({ bucket: bucket.bucket, endpoint: s3Endpoint!, prefix })
    closing.push(
      database.drop,
      () => sql.end(),
      () => store.close(),
    )
    const env = {
      ...bucket.env,
      RMBG_HOME: join(folder, `.home-${name}`),
      DATABASE_URL: database.url,
      S3_PREFIX: prefix,
    }
    const options = (more: Record<string, string> = {}) => ({ cwd: folder, env: { ...env, ...more } })
    return {
      ...{ name, prefix, sql, store },
      // A line that ends in no newline was not said to its end.
      start: (args, more) => start(args, { ...options(more), stripFinalNewline: false }),
      run: (args, more) => rmbg(args, options(more)),
    }
  }

  return {
    folder,
    neighbors: await Promise.all([moveIn('first', prefixes[0]), moveIn('second', prefixes[1])]),
    versions: async () => {
      const versions = new Map<string, string>()
      for await (const page of paginateListObjectsV2({ client }, { Bucket: bucket.bucket })) {
        for (const { Key, ETag, LastModified } of page.Contents ?? [])
          versions.set(Key!, `${ETag} ${LastModified?.toISOString()}`)
      }
      return versions
    },
    put: async (key, text) => {
      await client.send(new PutObjectCommand({ Bucket: bucket.bucket, Key: key, Body: text }))
    },
    close: async () => {
      for (const close of closing.reverse()) await close()
      client.destroy()
    },
  }
}
