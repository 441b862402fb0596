/** Runs that share a list: each input is taken by one of them before anything of it is read. */
import { randomUUID } from 'node:crypto'
import { v7 as uuidv7 } from 'uuid'
import { expect, it } from 'vitest'
import type { Run } from '../../src/database/leases.ts'
import {
  releaseSourceClaims,
  reserveSources,
  type SourceState,
  sourceKey,
} from '../../src/database/source-claims.ts'
import type { Batch, Image, ReadableImage } from '../../src/process/contract.ts'
import { reservationsOf, reservedImages } from '../../src/process/reserved.ts'
import { processOwner } from '../../src/system/owner.ts'
import { onBothDatabases } from '../database/databases.ts'
import { makeJob } from '../support/jobs.ts'

const someRun = (changes: Partial<Run> = {}): Run => ({
  id: uuidv7(),
  owner: processOwner(),
  leaseMs: 60_000,
  ...changes,
})
const fingerprint = 'ab'.repeat(32)
const sourceOf = (path: string, mtimeNs = 1n) => ({ path, size: 10, mtimeNs })

onBothDatabases('inputs of runs that share a list', (database) => {
  const reserve = (
    run: Run,
    paths: string[],
    { want = 100, done = [] as string[] } = {},
  ): Promise<SourceState[]> =>
    reserveSources(database().sql, {
      ...{ run, fingerprint, want, done },
      sources: paths.map((path) => ({ source: sourceOf(path), keep: ['mask', 'processed'] as const })),
    })

  it('are reserved by one run, until it lets go', async () => {
    const [one, other] = [someRun(), someRun()]
    const paths = [1, 2, 3].map((number) => `/${randomUUID()}/${number}`)
    expect(await reserve(one, paths.slice(0, 2))).toEqual(['reserved', 'reserved'])
    expect(await reserve(other, paths)).toEqual(['held', 'held', 'reserved'])
    // Piggyback: it is through with the first.
    await reserve(one, [], { done: [sourceKey(sourceOf(String(paths[0])))] })
    expect(await reserve(other, paths.slice(0, 2))).toEqual(['reserved', 'held'])
    await releaseSourceClaims(database().sql, one.id)
    expect(await reserve(other, [String(paths[1])])).toEqual(['reserved'])
  })

  it('are no more than were wanted, and those of the dead are free', async () => {
    const paths = Array.from({ length: 5 }, (_, number) => `/${randomUUID()}/${number}`)
    const states = await reserve(someRun(), paths, { want: 2 })
    expect(states.filter((state) => state === 'reserved')).toHaveLength(2)
    expect(states.filter((state) => state === 'unasked')).toHaveLength(3)
    const gone = `/${randomUUID()}`
    await reserve(someRun({ owner: processOwner().replace(/ \d+ /, ' 4194305 ') }), [gone])
    await reserve(someRun({ leaseMs: -1 }), [`${gone}/expired`])
    expect(await reserve(someRun(), [gone, `${gone}/expired`])).toEqual(['reserved', 'reserved'])
  })

  it('never wait for each other in a circle, whatever runs let go of meanwhile', async () => {
    const paths = Array.from({ length: 60 }, (_, number) => `/${randomUUID()}/${number}`)
    const some = (count: number) => paths.filter(() => Math.random() < count / paths.length)
    const share = async (run: Run): Promise<void> => {
      for (let round = 0; round < 40; round++) {
        const asked = some(30)
        const states = await reserve(run, asked, { want: 5 })
        const mine = asked.filter((_, index) => states[index] === 'reserved')
        const done = mine.map((path) => sourceKey(sourceOf(path)))
        await reserve(run, some(30), { want: 5, done })
        if (round % 5 === 0) await releaseSourceClaims(database().sql, run.id)
      }
    }
    const deadlocks = async () => {
      await database().sql`select pg_stat_clear_snapshot()`
      const [row] = await database()
        .sql`select deadlocks::int from pg_stat_database where datname = current_database()`
      return row?.deadlocks
    }
    const before = await deadlocks()
    await Promise.all(Array.from({ length: 8 }, () => share(someRun())))
    expect(await deadlocks()).toBe(before)
  })

  it('are told to be done, where another run has completed them', async () => {
    const { sql } = database()
    const path = `/${randomUUID()}.jpg`
    const job = await makeJob(sql)
    await sql`
      update image_process_jobs set source_path = ${path}, source_size = 10, source_mtime_ns = 1,
        fingerprint = decode(${fingerprint}, 'hex') where job_id = ${job}`
    expect(await reserve(someRun(), [path])).toEqual(['completed'])
    expect(
      await sql`select from source_claims where path_md5 = ${sourceKey(sourceOf(path))}::uuid`,
    ).toHaveLength(0)
    // The same path with another time is another input.
    const changed = { source: sourceOf(path, 2n), keep: [] }
    const [state] = await reserveSources(sql, {
      run: someRun(),
      fingerprint,
      want: 1,
      done: [],
      sources: [changed],
    })
    expect(state).toBe('reserved')
  })

  const imageOf = (path: string) =>
    ({ candidate: { path, shown: path, relative: path }, source: sourceOf(path) }) as unknown as ReadableImage
  const batchOf = (run: Run, changes: Partial<Batch> = {}) =>
    ({
      run,
      database: database(),
      concurrency: 2,
      keep: [],
      originals: 'copy',
      work: { fingerprint, params: {} },
      ...changes,
    }) as unknown as Batch

  it('are each read by one run, and by a run alone in their order', async () => {
    const folder = `/${randomUUID()}`
    const images = Array.from({ length: 60 }, (_, number) => imageOf(`${folder}/${number}`))
    /** What a run takes. What others hold is asked for again, as it is when a run comes to its end. */
    const taken = async (through: boolean) => {
      const reservations = reservationsOf(batchOf(someRun()))!
      const found: string[] = []
      let list: Image[] = images
      for (let round = 0; round < 30; round++) {
        const held: Image[] = []
        const others = { onCompleted: async function* () {}, onHeld: (image: Image) => held.push(image) }
        for await (const image of reservedImages(list, reservations, others)) {
          found.push(image.candidate.path)
          if (through) reservations.release(image)
        }
        list = held
      }
      return { found, close: reservations.close }
    }
    const alone = await taken(true)
    expect(alone.found).toEqual(images.map(({ candidate }) => candidate.path))
    await alone.close()
    const runs = await Promise.all([taken(false), taken(false), taken(false)])
    const all = runs.flatMap(({ found }) => found)
    expect(all).toHaveLength(60)
    expect(new Set(all).size).toBe(60)
    for (const { close } of runs) await close()
  })

  it('are not reserved where their content has to be read first', () => {
    for (const changes of [{ checksum: true }, { force: true }, { masks: 'from-store' as const }])
      expect(reservationsOf(batchOf(someRun(), changes))).toBeUndefined()
  })
})
