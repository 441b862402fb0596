/** Whatever lies below an output prefix: what is ours is kept up to date there, all else stays. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, expect, it } from 'vitest'
import { type CompletedJob, findCompletedJob } from '../../src/database/jobs.ts'
import { foreseeInBucket, lacksObject, placeInBucket } from '../../src/process/bucket-output.ts'
import type { Batch } from '../../src/process/contract.ts'
import { directoryStore } from '../../src/store/directory.ts'
import type { OutputBucket, PlacedObject } from '../../src/store/output-bucket.ts'
import { sha256Of } from '../../src/system/sha256.ts'
import { onBothDatabases } from '../database/databases.ts'
import { temporaryFolder } from '../support/cli.ts'
import { makeJob } from '../support/jobs.ts'

type Content = PlacedObject & { bytes: Uint8Array }

/** A bucket that is in memory, and how often an object was read. */
function memoryBucket() {
  const objects = new Map<string, Content>()
  const told = { digests: 0, puts: 0 }
  const bucket: OutputBucket = {
    location: 's3://shop',
    look: async (key) => objects.get(key),
    digest: async (key, etag) => {
      told.digests++
      const found = objects.get(key)
      return found?.etag === etag ? sha256Of(found.bytes) : undefined
    },
    put: async (key, bytes, { sha256, input, onlyIf }) => {
      const found = objects.get(key)
      if (onlyIf === 'absent' ? found : found?.etag !== onlyIf.etag) return false
      told.puts++
      objects.set(key, { size: bytes.byteLength, etag: sha256Of(bytes), sha256, input, bytes })
      return true
    },
    close: async () => {},
  }
  const putForeign = (key: string, bytes: Uint8Array, known: Partial<PlacedObject> = {}) =>
    objects.set(key, {
      size: bytes.byteLength,
      etag: sha256Of(bytes),
      sha256: undefined,
      input: undefined,
      bytes,
      ...known,
    })
  return { bucket, objects, told, putForeign }
}

onBothDatabases('the key of a cut-out', (database) => {
  let job: CompletedJob
  let bytes: Buffer
  let older: Buffer
  let memory: ReturnType<typeof memoryBucket>
  beforeEach(async () => {
    memory = memoryBucket()
    const store = await temporaryFolder()
    const made = async () => {
      const id = await makeJob(database().sql, { store: directoryStore(store) })
      const made = (await findCompletedJob(database().sql, id))!
      return { job: made, bytes: await readFile(join(store, made.processedPath ?? '')) }
    }
    ;({ bytes: older } = await made())
    ;({ job, bytes } = await made())
  })
  const candidate = (name: string) => ({ path: `s3://in/${name}`, shown: name, relative: name })
  const place = (name = 'a/x.jpg', changes: Partial<Batch> = {}) =>
    placeInBucket(
      { database: database(), checksum: false, overwrite: false, dryRun: false, ...changes } as Batch,
      { bucket: memory.bucket, name: 'shop', prefix: 'cut/', ending: '.png' },
      candidate(name),
      { job, read: async () => bytes, state: 'written' },
    )
  const path = 's3://shop/cut/a/x.png'
  const key = 'cut/a/x.png'

  it('that is free is taken, and known again without being read', async () => {
    expect(await place('a/x.jpg', { dryRun: true })).toEqual({ path, state: 'written' })
    expect(memory.objects.size).toBe(0)
    expect(await place()).toEqual({ path, state: 'written' })
    expect(await place()).toEqual({ path, state: 'unchanged' })
    expect(memory.told).toEqual({ digests: 0, puts: 1 })
    expect(await place('a/x.jpg', { checksum: true })).toEqual({ path, state: 'unchanged' })
    expect(memory.told.digests).toBe(1)
  })

  it('that holds an older cut-out of ours gets the right one', async () => {
    memory.putForeign(key, older)
    expect(await place()).toEqual({ path, state: 'written' })
    expect(memory.objects.get(key)?.bytes).toEqual(bytes)
  })

  it('that holds something else is left, whatever it says of itself', async () => {
    for (const known of [{}, { sha256: sha256Of(older), input: sha256Of('s3://in/a/x.jpg').slice(0, 32) }]) {
      memory.putForeign(key, Buffer.from('retouched'), known)
      expect(await place()).toEqual({ path, state: 'kept', reason: 'foreign' })
    }
    expect(await place('a/x.jpg', { overwrite: true })).toEqual({ path, state: 'written' })
  })

  it('is nobody else’s: inputs of one plain name keep their whole name, and find it again', async () => {
    await place()
    const first = { ...job }
    job = { ...job, processedSha256: sha256Of(older) }
    bytes = older
    const other = { path: 's3://shop/cut/a/x.webp.png', state: 'written' }
    expect(await place('a/x.webp')).toEqual(other)
    expect(await place('a/x.webp')).toEqual({ ...other, state: 'unchanged' })
    job = first
    expect(await place()).toEqual({ path, state: 'unchanged' })
  })

  it('is foretold, and is told to lack its cut-out', async () => {
    const batch = { database: database(), checksum: false, overwrite: false } as Batch
    const to = { bucket: memory.bucket, name: 'shop', prefix: 'cut/', ending: '.png' }
    const input = candidate('a/x.jpg')
    expect(await foreseeInBucket(batch, to, input)).toEqual({ path, state: 'written' })
    expect(await lacksObject(batch, to, input, job)).toBe(true)
    memory.putForeign(key, Buffer.from('mine'))
    expect(await foreseeInBucket(batch, to, input)).toEqual({ path, state: 'kept', reason: 'foreign' })
    expect(await lacksObject(batch, to, input, job)).toBe(false)
  })
})
