/**
 * Runs that share one list and know nothing of each other: how often an image is read and claimed, and how many images a
 * second they do together, against one run. Everything is real but the model, which takes `--work` milliseconds and no
 * CPU, and the store, which keeps nothing.
 *
 * `npm run bench:shared-list -- --runs 8 --images 2000 --work 20` with RMBG_TEST_DATABASE_URL, a role that may create databases
 * and is a superuser.
 */
import { fork } from 'node:child_process'
import { loadavg } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import sharp from 'sharp'
import { readHeader } from '../../../src/cutout/codec/header.ts'
import { connectServer } from '../../../src/database/connect.ts'
import type { MatteModel, ModelSpec } from '../../../src/model/contract.ts'
import { runBatch } from '../../../src/process/batch.ts'
import { timeOfEtag } from '../../../src/process/inputs/addresses.ts'
import { inPart } from '../../../src/process/inputs/part.ts'
import type { Candidate } from '../../../src/process/inputs.ts'
import { resolveCutout } from '../../../src/settings/cutout-settings.ts'
import type { ObjectStore } from '../../../src/store/contract.ts'
import { freshDatabase } from '../../support/servers.ts'

interface Wish {
  url: string
  images: number
  workMs: number
  concurrency: number
  part?: { number: number; of: number }
}

interface Told {
  reads: number
  roundTrips: number
  /** When each image was completed, in milliseconds since 1970. */
  completedAt: number[]
}

const concurrency = 4

async function measure(runs: number, images: number, workMs: number, byPart = false) {
  const database = await freshDatabase()
  const watcher = connectServer(database.url, { maxConnections: 1 })
  try {
    const { applyMigrations } = await import('../../../src/database/migrate.ts')
    await applyMigrations(watcher)
    await watcher.sql.unsafe(
      `alter database ${new URL(database.url).pathname.slice(1)} set track_functions = 'all'`,
    )
    const children = Array.from({ length: runs }, (_, index) => {
      const child = fork(fileURLToPath(import.meta.url), ['child'])
      const part = byPart ? { part: { number: index + 1, of: runs } } : {}
      const wish: Wish = { url: database.url, images, workMs, concurrency, ...part }
      const ready = new Promise((done) => child.once('message', done))
      return { child, ready, wish }
    })
    await Promise.all(children.map(({ ready }) => ready))
    const told = await Promise.all(
      children.map(async ({ child, wish }) => {
        const answer = new Promise<Told>((done, fail) => {
          child.once('message', (message) => done(message as Told))
          child.once('exit', (code) => fail(new Error(`A run ended with ${code}.`)))
        })
        child.send(wish)
        return answer
      }),
    )
    await sleep(1000) // counters of functions are sent when a session is idle
    for (const { child } of children) if (child.connected) child.disconnect()
    await sleep(1500)
    const calls = async (name: string) => {
      const [row] =
        await watcher.sql`select sum(calls)::float8 as calls from pg_stat_user_functions where funcname = ${name}`
      return Number(row?.calls ?? 0)
    }
    const [jobs] =
      await watcher.sql`select count(*)::float8 as jobs, max(attempt) as attempt from image_process_jobs where status = 'completed'`
    const sum = (of: (each: Told) => number) => told.reduce((total, each) => total + of(each), 0)
    return {
      ...{ runs, images, workMs, byPart, jobs: jobs?.jobs, attempts: jobs?.attempt },
      readsPerImage: sum(({ reads }) => reads) / images,
      claimsPerImage: (await calls('claim_job')) / images,
      reservationsPerImage: (await calls('reserve_sources')) / images,
      roundTripsPerImage: sum(({ roundTrips }) => roundTrips) / images,
      imagesPerSecond: rateOf(told.map(({ completedAt }) => completedAt)),
      leastOfARun: Math.min(...told.map(({ completedAt }) => completedAt.length)),
      mostOfARun: Math.max(...told.map(({ completedAt }) => completedAt.length)),
      load: loadavg()[0],
    }
  } finally {
    await watcher.close()
    await database.drop()
  }
}

/** While all runs are at work: from the first image of the last one that begins, to the last of the first one that ends. */
function rateOf(runs: number[][]): number {
  const begin = Math.max(...runs.map(([first = 0]) => first))
  const end = Math.min(...runs.map((times) => times.at(-1) ?? 0))
  const images = runs.flat().filter((at) => at > begin && at <= end).length
  return Math.round((images / (end - begin)) * 1e4) / 10
}

const nowhere: ObjectStore = {
  location: 'nowhere',
  check: async () => {},
  put: async (key, body) => ({ key, size: (body as Uint8Array).byteLength, lastModified: new Date() }),
  get: () => Promise.reject(new Error('Nothing is kept.')),
  head: async () => undefined,
  list: async function* () {},
  remove: async () => {},
  link: async () => '',
  copyTo: async () => false,
  close: async () => {},
}

const spec = {
  ...{ name: 'nothing', sha256: '0'.repeat(64), inputSize: { width: 16, height: 16 }, activation: 'none' },
  normalisation: { mean: [0, 0, 0], std: [1, 1, 1] },
} as unknown as ModelSpec

const modelOf = (workMs: number): MatteModel => ({
  ...{ spec, inputSize: { width: 16, height: 16 }, provider: 'none', notice: undefined },
  predict: async () => {
    await sleep(workMs)
    return { width: 16, height: 16, alpha: new Float32Array(256).fill(1) } as never
  },
  close: async () => {},
})

async function work({ url, images, workMs, concurrency, part }: Wish): Promise<Told> {
  const database = connectServer(url)
  let roundTrips = 0
  database.sql.options.debug = () => void roundTrips++
  let reads = 0
  const base = await sharp({ create: { width: 16, height: 16, channels: 3, background: '#456' } })
    .png()
    .toBuffer()
  const candidates = Array.from({ length: images }, (_, index): Candidate => {
    const path = `s3://bench/${index}.png`
    // Text behind the end of a PNG: another content, and the same picture.
    const bytes = Buffer.concat([base, Buffer.from(String(index))])
    const source = {
      ...{ path, size: bytes.length, mtimeNs: timeOfEtag(String(index)) },
      header: (limits: Parameters<typeof readHeader>[1]) => readHeader(bytes, limits),
      read: async () => {
        reads++
        return bytes
      },
    }
    return { path, shown: path, relative: `${index}.png`, loggedPath: path, inspect: async () => source }
  })
  const { options: cutout, params } = await resolveCutout({})
  const completedAt: number[] = []
  await runBatch(
    part ? inPart(candidates, part) : candidates,
    { store: nowhere, database, masks: { spec, model: async () => modelOf(workMs) } },
    {
      ...{ user: 'bench', tags: [], concurrency, maxMemory: 2 ** 30, maxPixels: 1e6, allowSvg: false },
      ...{
        cutout,
        cutoutParams: params,
        keep: ['mask', 'processed'],
        originals: 'copy',
        outputOf: undefined,
      },
      ...{ overwrite: false, checksum: false, force: false, dryRun: false, maxFailures: 10 },
      ...{
        signal: new AbortController().signal,
        onEvent: (event) => {
          if (event.type === 'image' && event.status === 'completed') completedAt.push(Date.now())
        },
      },
    } as Parameters<typeof runBatch>[2],
  )
  await database.close()
  return { reads, roundTrips, completedAt }
}

if (process.argv[2] === 'child') {
  process.once('message', (wish) => void work(wish as Wish).then((told) => process.send?.(told)))
  process.send?.('ready')
} else {
  const { values } = parseArgs({
    options: {
      runs: { type: 'string', default: '1,8' },
      images: { type: 'string', default: '2000' },
      work: { type: 'string', default: '20' },
      part: { type: 'boolean', default: false },
    },
  })
  for (const runs of values.runs.split(','))
    console.log(await measure(Number(runs), Number(values.images), Number(values.work), values.part))
}
