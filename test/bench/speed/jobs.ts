/** Everything around inference: jobs through database and store, next to rows and objects written with nothing around. */
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { DeleteBucketCommand } from '@aws-sdk/client-s3'
import { v7 as uuidv7 } from 'uuid'
import { connectServer } from '../../../src/database/connect.ts'
import type { Database } from '../../../src/database/contract.ts'
import { openEmbedded } from '../../../src/database/embedded.ts'
import type { ObjectStore } from '../../../src/store/contract.ts'
import { directoryStore } from '../../../src/store/directory.ts'
import { objectKey } from '../../../src/store/keys.ts'
import { s3Client, s3Store } from '../../../src/store/s3/index.ts'
import { sha256Of } from '../../../src/system/sha256.ts'
import { program } from '../../support/cli.ts'
import { freshBucket, freshDatabase, postgresUrl, s3Endpoint } from '../../support/servers.ts'
import { fillFinished } from './finished-files.ts'
import { measure, rmbg, rmbgProcess } from './measured.ts'
import { trivialModel } from './models.ts'
import { type CountSpreads, countSpreads } from './perf.ts'
import { pictures } from './pictures.ts'
import { withFolder } from './place.ts'
import { type Spread, spread } from './spread.ts'

type DatabaseKind = 'PostgreSQL' | 'embedded'
type StoreKind = 'S3' | 'folder'

export interface JobsRow extends CountSpreads {
  database: DatabaseKind
  store: StoreKind
  concurrency: number
  jobs: number
  /** From the first finished job of a run to the last. */
  jobsPerSecond: Spread
  /** With start and end. */
  wholeJobsPerSecond: Spread
  /** Of the program alone, without the servers. */
  cpuMsPerJob: Spread
  /** One row each into the same table, as many at once as jobs. */
  insertsPerSecond: Spread
  /** The same three objects as a job has, as many times at once as jobs. */
  threePutsPerSecond: Spread
}

/** Counts are of the whole run. */
export interface RerunRow extends CountSpreads {
  database: DatabaseKind
  files: number
  seconds: Spread
  /** Of the program alone, without the server. */
  cpuSeconds?: Spread
  peakRssMb: Spread
  /** Input files opened; absent without strace. */
  filesOpened: number | undefined
}

export interface JobsOptions {
  rounds: number
  jobs: number
  /** Files of each re-run. */
  reruns: { database: DatabaseKind; files: number }[]
  tell: (line: string) => void
}

const usual = availableParallelism() + 1
const cases: { database: DatabaseKind; store: StoreKind; concurrency: number }[] = [
  { database: 'PostgreSQL', store: 'S3', concurrency: usual },
  { database: 'PostgreSQL', store: 'S3', concurrency: 16 },
  { database: 'PostgreSQL', store: 'folder', concurrency: usual },
  { database: 'embedded', store: 'folder', concurrency: usual },
]

export async function timeJobs({ rounds, jobs, tell }: JobsOptions): Promise<JobsRow[]> {
  if (!postgresUrl || !s3Endpoint) throw new Error('Set RMBG_TEST_DATABASE_URL and RMBG_TEST_S3_ENDPOINT.')
  const model = await trivialModel()
  const files = await pictures('tiny', jobs)
  const measured = cases.map((each) => ({ ...each, rounds: [] as Awaited<ReturnType<typeof round>>[] }))
  for (let index = 0; index < rounds; index++) {
    for (const each of measured) {
      tell(`round ${index + 1} of ${rounds}: ${each.database}, ${each.store}, ${each.concurrency} at once`)
      each.rounds.push(await round(each, model.file, files))
    }
  }
  return measured.map(({ rounds: figures, ...where }) => {
    const of = (figure: (each: (typeof figures)[number]) => number) => spread(figures.map(figure))
    return {
      ...where,
      jobs,
      jobsPerSecond: of(({ run }) => 1000 / run.steadyMsPerImage),
      wholeJobsPerSecond: of(({ run }) => (jobs * 1000) / run.wallMs),
      cpuMsPerJob: of(({ run }) => run.steadyCpuMsPerImage),
      ...countSpreads(
        figures.map(({ run }) => run),
        jobs,
      ),
      insertsPerSecond: of((each) => each.insertsPerSecond),
      threePutsPerSecond: of((each) => each.threePutsPerSecond),
    }
  })
}

/** A folder that is named, and not its files one by one: a command line has an end. */
const asInputs = (files: readonly string[]): string => dirname(files[0]!)

async function round(where: (typeof cases)[number], model: string, files: string[]) {
  const run = await withInstallation(where, ({ env }) =>
    rmbgProcess(['--model', model, '--concurrency', String(where.concurrency), asInputs(files)], { env }),
  )
  const bare = await withInstallation(where, async (installation) => {
    const [database, store] = [await installation.database(), installation.store()]
    try {
      const insertsPerSecond = await inserts(database, where.concurrency, files.length)
      await store.check()
      return { insertsPerSecond, threePutsPerSecond: await puts(store, where.concurrency, files) }
    } finally {
      await store.close()
      await database.close()
    }
  })
  return { run, ...bare }
}

function inserts({ sql }: Database, concurrency: number, count: number): Promise<number> {
  return perSecond(concurrency, count, async () => {
    const jobId = uuidv7()
    await sql`
      insert into image_process_jobs (job_id, user_id, original_path, status, error_message)
      values (${jobId}, 'bench', ${objectKey('original', jobId, 1, 'jpg')}, 'failed', 'Nothing was done.')`
  })
}

function puts(store: ObjectStore, concurrency: number, files: string[]): Promise<number> {
  // About as large as mask and cut-out of a tiny picture.
  const [mask, processed] = [randomBytes(1000), randomBytes(6000)]
  return perSecond(concurrency, files.length, async (index) => {
    const jobId = uuidv7()
    const original = await readFile(files[index]!)
    const put = (kind: 'original' | 'mask' | 'processed', body: Buffer) => {
      const [extension, contentType] = kind === 'original' ? ['jpg', 'image/jpeg'] : ['png', 'image/png']
      return store.put(objectKey(kind, jobId, 1, extension!), body, {
        contentType: contentType!,
        sha256: sha256Of(body),
      })
    }
    await Promise.all([put('original', original), put('mask', mask), put('processed', processed)])
  })
}

async function perSecond(
  concurrency: number,
  count: number,
  work: (index: number) => Promise<void>,
): Promise<number> {
  const indexes = Array(count).keys()
  const startedAt = performance.now()
  const worker = async () => {
    for (const index of indexes) await work(index)
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
  return (count * 1000) / (performance.now() - startedAt)
}

interface Installation {
  env: Record<string, string>
  database: () => Promise<Database>
  store: () => ObjectStore
}

/** A new database and a new store, which are gone afterwards. */
function withInstallation<T>(
  where: { database: DatabaseKind; store: StoreKind },
  use: (installation: Installation) => Promise<T>,
): Promise<T> {
  return withFolder(async (home) => {
    const place = where.store === 'S3' ? await freshBucket() : undefined
    const server = where.database === 'PostgreSQL' ? await freshDatabase() : undefined
    const env = { RMBG_HOME: home, ...(server && { DATABASE_URL: server.url }), ...place?.env }
    try {
      await rmbg(['migrate'], { env })
      return await use({
        env,
        database: async () => (server ? connectServer(server.url) : openEmbedded(join(home, 'database'))),
        store: () =>
          place
            ? s3Store({ bucket: place.bucket, endpoint: s3Endpoint! })
            : directoryStore(join(home, 'store')),
      })
    } finally {
      await server?.drop()
      if (place) await removeBucket(place.bucket)
    }
  })
}

async function removeBucket(bucket: string): Promise<void> {
  const store = s3Store({ bucket, endpoint: s3Endpoint! })
  const keys: string[] = []
  for await (const { key } of store.list('')) keys.push(key)
  await store.remove(keys)
  await store.close()
  const client = s3Client({ bucket, endpoint: s3Endpoint! })
  await client.send(new DeleteBucketCommand({ Bucket: bucket }))
  client.destroy()
}

/** The same command again when everything is done. */
export async function timeRerun({ rounds, reruns, tell }: JobsOptions): Promise<RerunRow[]> {
  const model = await trivialModel()
  const rows: RerunRow[] = []
  for (const { database, files: count } of reruns) {
    const files = await pictures('tiny', count)
    const args = ['--model', model.file, asInputs(files)]
    const row = await withInstallation({ database, store: 'folder' }, async (installation) => {
      const { env } = installation
      tell(`${count} files to be done before they are done again: ${database}`)
      await rmbgProcess(['--model', model.file, ...files.slice(0, 100)], { env })
      const filled = await installation.database()
      await fillFinished(filled.sql, files.slice(100)).finally(() => filled.close())
      const runs: Awaited<ReturnType<typeof rmbg>>[] = []
      for (let index = 0; index < rounds; index++) {
        const run = await rmbg(['process', '--json', ...args], { env, lastLineOnly: true })
        const { skipped } = JSON.parse(run.lines.at(-1)!.text)
        if (skipped !== count) throw new Error(`${skipped} of ${count} files were skipped.`)
        runs.push(run)
      }
      return {
        database,
        files: count,
        seconds: spread(runs.map(({ wallMs }) => wallMs / 1000)),
        cpuSeconds: spread(runs.map(({ cpuMs }) => cpuMs / 1000)),
        peakRssMb: spread(runs.map(({ peakRssMb }) => peakRssMb)),
        ...countSpreads(runs, 1),
        filesOpened: await filesOpened(args, env, asInputs(files)),
      }
    })
    rows.push(row)
  }
  return rows
}

/** How many input files a run opens, told by the kernel. */
async function filesOpened(
  args: string[],
  env: Record<string, string>,
  folder: string,
): Promise<number | undefined> {
  return withFolder(async (own) => {
    const trace = join(own, 'trace')
    const under = ['strace', '-f', '-qq', '-e', 'trace=open,openat', '-o', trace]
    const finished = await measure([program, 'process', ...args], { env, under, plain: true }).catch(
      () => undefined,
    )
    if (finished?.status !== 0) return undefined
    const lines = (await readFile(trace, 'utf8')).split('\n')
    return lines.filter((line) => line.includes(`"${folder}/`) && !line.includes('O_DIRECTORY')).length
  })
}
