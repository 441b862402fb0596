/**
 * The invariants, checked on two installations that share a bucket, after four runs under everything that chaos.ts does
 * to them and a calm run of each. Two rounds; RMBG_FAULTS=long for twenty. RMBG_FAULTS_SEED names the first seed.
 */
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { v7 as uuidv7 } from 'uuid'
import { expect, it, onTestFailed, onTestFinished } from 'vitest'
import type { ObjectStore } from '../../src/store/contract.ts'
import { objectKey } from '../../src/store/keys.ts'
import { ownerKey } from '../../src/store/owner.ts'
import { jsonLines } from '../support/cli.ts'
import { describeServers } from '../support/fixture-installation.ts'
import { picture } from '../support/images.ts'
import type { JobRow } from '../support/job-rows.ts'
import { isLong } from '../support/long-mode.ts'
import { type Ended, perform, pruningEarly, type Script, scriptOf } from './chaos.ts'
import { noise } from './noise.ts'
import { startStoreProxy } from './s3-proxy.ts'
import { type Neighbor, type SharedBucket, sharedBucket } from './shared-bucket.ts'
import { acknowledged, expectWhole, untilAlone } from './variants.ts'

const firstSeed = Number(process.env.RMBG_FAULTS_SEED ?? 1)
const seeds = Array.from({ length: isLong ? 20 : 1 }, (_, index) => firstSeed + index)
const images = isLong ? 40 : 16

/** Objects that belong to nobody here, many of them called nearly as ours are. @returns their versions */
async function strangers(
  { neighbors, put, versions }: SharedBucket,
  { isMistaken }: Script,
): Promise<Map<string, string>> {
  const nobodys = () => objectKey('original', uuidv7(), 1, 'jpg')
  const keys = neighbors.flatMap(({ prefix }) => [
    `${prefix}photos/holiday.jpg`,
    `${prefix}${ownerKey}.bak`,
    `${prefix}backup/${nobodys()}`,
  ])
  // With such an object in it, a store that has no owner yet would be refused.
  for (const { prefix } of isMistaken ? neighbors.slice(0, 1) : neighbors)
    keys.push(`${prefix}original/readme.txt`)
  if (neighbors.every(({ prefix }) => prefix !== '')) keys.push(nobodys(), ownerKey)
  keys.push(`on${nobodys()}`, `one-${nobodys()}`, `two${nobodys()}`, 'zebra.txt')
  for (const key of keys) await put(key, `I am ${key}, and nobody's here.`)
  return new Map([...(await versions())].filter(([key]) => keys.includes(key)))
}

const command = ({ name }: Neighbor, model: string): string[] => [
  ...['process', 'photos', '--model', model, '--output', `cut-${name}`, '--tag', 'spring', '--json'],
  ...['--concurrency', '2', '--threads', '1'],
]

/** Another cut-out of each image, whose originals the jobs of the runs then share. */
const earlyCommand = (model: string): string[] => [
  ...['process', 'photos', '--model', model, '--size', '16x16', '--tag', 'early', '--json'],
]

/** How every command that was started ended: refused where it trespassed, well anywhere else. */
function expectEnds(ends: readonly Ended[]): void {
  for (const { command, status, stdout, stderr, isKilled, trespasses } of ends) {
    if (isKilled) continue
    expect({ command, trespasses, status }, stdout + stderr).toEqual({
      ...{ command, trespasses },
      status: trespasses ? 2 : 0,
    })
    if (trespasses) expect(stdout + stderr).toMatch(/belongs to .*S3_PREFIX or RMBG_HOME/s)
  }
}

/** What runs said is completed is, with the very objects they named, and no image was completed twice. */
function expectAcknowledged(rows: readonly JobRow[], outputs: readonly string[]): void {
  const told = outputs.flatMap(acknowledged)
  expect(new Set(told.map(({ input }) => input)).size, 'an image was completed twice').toBe(told.length)
  for (const { jobId, attempt, processedPath } of told) {
    expect(rows.find(({ job_id }) => job_id === jobId)).toMatchObject({
      ...{ status: 'completed', attempt, processed_path: processedPath },
    })
  }
}

async function expectLocalCutouts(folder: string, rows: readonly JobRow[]): Promise<void> {
  expect(await readdir(folder)).toHaveLength(rows.length)
  for (const { source_path, processed_sha256 } of rows) {
    const name = /\/([^/]+)\.jpg$/.exec(source_path)![1]
    const bytes = await readFile(join(folder, `${name}.png`))
    expect(createHash('sha256').update(bytes).digest('hex'), name).toBe(processed_sha256)
  }
}

/** Each image counts once in the statistics, whoever did it and however often it was begun; early jobs count, too. */
async function expectCountedOnce({ sql }: Neighbor, early: number): Promise<void> {
  const columns = sql`sum(completed_jobs) as completed, sum(failed_jobs) as failed`
  const [total] = await sql`
    select sum(completed)::integer as completed, sum(failed)::integer as failed from (
      select ${columns} from daily_usage where dimension = 'all'
      union all select ${columns} from usage_changes where dimension = 'all') as counted`
  expect(total).toEqual({ completed: images + early, failed: 0 })
}

/** The store of an installation without what is not ours. */
function without(foreign: ReadonlyMap<string, string>, { store, prefix }: Neighbor): ObjectStore {
  const list: ObjectStore['list'] = async function* (under, signal) {
    for await (const object of store.list(under, signal)) if (!foreign.has(prefix + object.key)) yield object
  }
  return { ...store, list }
}

/** The last calm run of an installation, and what must be true after it. @returns the keys that it may have in the bucket */
async function settle(
  neighbor: Neighbor,
  {
    model,
    ends,
    folder,
    foreign,
    early,
  }: {
    model: string
    ends: readonly Ended[]
    folder: string
    foreign: ReadonlyMap<string, string>
    /** Jobs done before, of which some may have been pruned. */
    early: number
  },
): Promise<string[]> {
  const calm = await neighbor.run(command(neighbor, model))
  expect(calm.status, calm.stdout + calm.stderr).toBe(0)
  const { completed, skipped } = jsonLines(calm.stdout).at(-1)!
  expect(completed + skipped).toBe(images)
  // Their originals stay where the jobs that share them are completed.
  if (early > 0) expect((await neighbor.run(pruningEarly)).status).toBe(0)

  const tidied = await neighbor.run(['orphans', '--grace', '0s', '--max-share', '100%', '--yes', '--json'])
  expect(tidied.status, tidied.stderr).toBe(0)
  const { plan } = JSON.parse(tidied.stdout)
  expect(plan, 'no completed job lacks an object').toMatchObject({ completed: images, rows: 0 })

  const ours = ends.filter((end) => end.neighbor === neighbor && !end.trespasses)
  // Only who is killed leaves anything behind.
  if (ours.every(({ isKilled }) => !isKilled)) expect(plan).toMatchObject({ objects: 0 })
  await untilAlone(neighbor.sql)
  const rows = await expectWhole(neighbor.sql, without(foreign, neighbor))
  expect(rows.map(({ status }) => status)).toEqual(Array(images).fill('completed'))
  const works = ours.filter(({ command }) => command === 'process')
  expectAcknowledged(
    rows,
    [...works, calm].map(({ stdout }) => stdout),
  )
  await expectLocalCutouts(join(folder, `cut-${neighbor.name}`), rows)
  await expectCountedOnce(neighbor, early)
  return rows.flatMap((row) =>
    [row.original_path, row.mask_path, row.processed_path].map((key) => neighbor.prefix + key),
  )
}

async function round(seed: number, tell: (line: string) => void): Promise<void> {
  const script: Script = scriptOf(seed)
  tell(JSON.stringify(script))
  const [shared, proxy] = [await sharedBucket(script.prefixes), await startStoreProxy()]
  onTestFinished(async () => {
    await proxy.close()
    await shared.close()
  })
  const { folder, neighbors } = shared
  await mkdir(join(folder, 'photos'))
  for (let index = 0; index < images; index++) {
    await picture(index)
      .jpeg()
      .toFile(join(folder, 'photos', `${index}.jpg`))
  }
  const model = script.hasNoise ? await noise() : 'backdrop'
  const before = await neighbors[0].run(earlyCommand(model))
  expect(before.status, before.stderr).toBe(0)
  let foreign = new Map<string, string>()
  // Slow, so that there is work left when all four are at it.
  proxy.delayMs = 300
  const ends = await perform({
    ...{ script, shared, proxy, tell },
    command: (neighbor) => command(neighbor, model),
    begun: async () => {
      foreign = await strangers(shared, script)
      proxy.delayMs = 150
    },
  })
  expectEnds(ends)
  expect(foreign.size).toBeGreaterThan(10)

  const named: string[] = []
  for (const neighbor of neighbors) {
    const early = neighbor === neighbors[0] ? images : 0
    named.push(...(await settle(neighbor, { model, ends, folder, foreign, early })))
  }
  const left = await shared.versions()
  for (const [key, version] of foreign) {
    expect(left.get(key), `${key} is foreign, and was touched`).toBe(version)
    left.delete(key)
  }
  const markers = neighbors.map(({ prefix }) => prefix + ownerKey)
  expect([...left.keys()].sort()).toEqual([...named, ...markers].sort())
}

describeServers('two installations on one bucket, four runs, and everything failing', () => {
  it.each(seeds)(
    'lose nothing, do nothing twice and touch nothing foreign, seed %i',
    // What fails once in a while is what is looked for.
    { timeout: 300_000, retry: 0 },
    async (seed) => {
      const startedAt = Date.now()
      const story: string[] = []
      const tell = (line: string) => story.push(`${String(Date.now() - startedAt).padStart(6)} ms  ${line}`)
      onTestFailed(() => console.error([`RMBG_FAULTS_SEED=${seed}`, ...story].join('\n')))
      await round(seed, tell)
      if (isLong) console.log(`seed ${seed}: ${Math.round((Date.now() - startedAt) / 1000)} s`)
    },
  )
})
