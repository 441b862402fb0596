import { v7 as uuidv7 } from 'uuid'
import { describe, expect, it } from 'vitest'
import { removeEarlier, removeOwn } from '../../src/process/leftovers.ts'
import { uploadsTo } from '../../src/process/uploads.ts'
import { type ObjectStore, objectKinds } from '../../src/store/contract.ts'
import { jobPrefix, objectKey } from '../../src/store/keys.ts'
import { agedStore } from '../upkeep/aged-store.ts'

const jobId = uuidv7()
const nobodyShares = async () => new Set<string>()
const file = { bytes: Buffer.from('x'), extension: 'png', contentType: 'image/png' }

/** Takes objects and lets nobody see or remove any. */
const guarded = (store: ObjectStore): ObjectStore => ({
  ...store,
  list: () => {
    throw new Error('You may not list.')
  },
  remove: () => Promise.reject(new Error('You may not remove.')),
})

describe('an attempt removes', () => {
  it('what those before it left, and nothing of later ones or of other jobs', async () => {
    const { store, put, keys } = await agedStore()
    const of = (id: string, attempt: number) => objectKinds.map((kind) => objectKey(kind, id, attempt, 'png'))
    const old = `${jobPrefix('original', jobId)}.jpg`
    const kept = [...of(jobId, 10), ...of(jobId, 11), ...of(uuidv7(), 1), `${jobPrefix('mask', jobId)}-x.png`]
    for (const key of [...of(jobId, 1), ...of(jobId, 2), ...of(jobId, 9), old, ...kept]) await put(key)
    await removeEarlier(store, { jobId, attempt: 10 }, nobodyShares)
    expect(await keys()).toEqual([...kept].sort())
  })

  it('no original that another job shares, of earlier attempts or its own', async () => {
    const { store, put, keys } = await agedStore()
    const [original, mask] = [objectKey('original', jobId, 1, 'png'), objectKey('mask', jobId, 1, 'png')]
    const asked: unknown[] = []
    const needed = async (originals: unknown[]) => {
      asked.push(...originals)
      return new Set([original])
    }
    for (const key of [original, mask]) await put(key)
    await removeEarlier(store, { jobId, attempt: 2 }, needed)
    expect(await keys()).toEqual([original])
    const uploads = uploadsTo(store, objectKinds)
    for (const kind of objectKinds) uploads.send(kind, { jobId, attempt: 1 }, file)
    await removeOwn(store, uploads, needed)
    expect(await keys()).toEqual([original])
    expect(asked).toEqual([
      { key: original, jobId },
      { key: original, jobId },
    ])
  })

  it('nothing while the log does not answer', async () => {
    const { store, put, keys } = await agedStore()
    const key = objectKey('original', jobId, 1, 'png')
    await put(key)
    const silent = () => Promise.reject(new Error('The database is away.'))
    await removeEarlier(store, { jobId, attempt: 2 }, silent)
    const uploads = uploadsTo(store, objectKinds)
    uploads.send('original', { jobId, attempt: 1 }, file)
    await removeOwn(store, uploads, silent)
    expect(await keys()).toEqual([key])
  })

  it('what it has sent itself, however late that arrives', async () => {
    const { store, put, keys } = await agedStore()
    const kept = [objectKey('mask', jobId, 1, 'png'), objectKey('mask', jobId, 3, 'png')]
    for (const key of kept) await put(key)
    const slow: ObjectStore = {
      ...store,
      put: async (...args) => {
        await new Promise((resolve) => setTimeout(resolve, 50))
        return store.put(...args)
      },
    }
    const uploads = uploadsTo(slow, objectKinds)
    for (const kind of objectKinds) uploads.send(kind, { jobId, attempt: 2 }, file)
    await removeOwn(slow, uploads, nobodyShares)
    expect(await keys()).toEqual(kept)
  })

  it('nothing where the store does not let it, and its image is none the worse', async () => {
    const { store, put, keys } = await agedStore()
    const key = objectKey('mask', jobId, 1, 'png')
    await put(key)
    await removeEarlier(guarded(store), { jobId, attempt: 2 }, nobodyShares)
    const uploads = uploadsTo(guarded(store), objectKinds)
    uploads.send('mask', { jobId, attempt: 1 }, file)
    await removeOwn(guarded(store), uploads, nobodyShares)
    expect(await keys()).toEqual([key])
  })
})
