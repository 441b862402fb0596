import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { reusableOriginal } from '../../src/process/stored-original.ts'
import { uploadsTo } from '../../src/process/uploads.ts'
import { type ObjectStore, objectKinds } from '../../src/store/contract.ts'
import { directoryStore } from '../../src/store/directory.ts'
import { objectKey } from '../../src/store/keys.ts'
import { sha256Of } from '../../src/system/sha256.ts'
import { temporaryFolder } from '../support/cli.ts'

const bytes = Buffer.from('the picture')
const original = { bytes, sha256: sha256Of(bytes) }
const jobId = '01a218ab-9d18-7367-a2ed-1bbe421f7e6d'
const earlier = objectKey('original', '01a218ab-9c86-7366-a86f-b89b9ba21a8e', 1, 'jpg')
const own = objectKey('original', jobId, 1, 'jpg')
const stored = { key: earlier, bytes: bytes.byteLength }

describe('the original of an earlier job', () => {
  let store: ObjectStore
  let folder: string
  beforeEach(async () => {
    folder = await temporaryFolder()
    store = directoryStore(folder)
    await store.put(earlier, bytes, { contentType: 'image/jpeg', sha256: original.sha256 })
  })
  const reusable = (thoroughly = false) => reusableOriginal(store, stored, original, { thoroughly })

  it('is used where it stands with the right size', async () => {
    expect(await reusable()).toBe(earlier)
    expect(await reusable(true)).toBe(earlier)
  })

  it('is not where the log knows none, or one of another size', async () => {
    for (const other of [undefined, { ...stored, bytes: 1 }])
      expect(await reusableOriginal(store, other, original, { thoroughly: false })).toBeUndefined()
  })

  it('is not where it is lost or cut short', async () => {
    await writeFile(join(folder, earlier), 'the')
    expect(await reusable()).toBeUndefined()
    await store.remove([earlier])
    expect(await reusable()).toBeUndefined()
  })

  it('is not where the store says that it holds other bytes, or does not answer', async () => {
    const head = store.head
    store = { ...store, head: async (key) => ({ ...(await head(key))!, sha256: sha256Of(Buffer.from('x')) }) }
    expect(await reusable()).toBeUndefined()
    store = { ...store, head: () => Promise.reject(new Error('You may not look.')) }
    expect(await reusable()).toBeUndefined()
  })

  it('is not where it is damaged and everything is asked for anew', async () => {
    await writeFile(join(folder, earlier), 'THE PICTURE')
    expect(await reusable(true)).toBeUndefined()
  }, 30_000)

  it('is not sent again, and is nothing that this job may remove', async () => {
    const job = { jobId, attempt: 1 }
    const file = { ...original, extension: 'jpg', contentType: 'image/jpeg' }
    const sharing = uploadsTo(store, objectKinds)
    const shared = await sharing.sendOriginal(job, file, Promise.resolve(earlier))
    expect(shared).toEqual({ key: earlier, bytes: bytes.byteLength, sha256: original.sha256, isShared: true })
    expect(sharing.keys()).toEqual([])
    const sending = uploadsTo(store, objectKinds)
    const sent = sending.sendOriginal(job, file, Promise.resolve(undefined))
    await sending.acknowledged()
    expect(await store.head(own), 'it has arrived when all is acknowledged').toBeDefined()
    expect(await sent).toEqual({ ...shared, key: own, isShared: false })
    expect(sending.keys()).toEqual([own])
  })
})
