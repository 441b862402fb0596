/** Whose a store is: nobody writes or deletes in that of another. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { RmbgError } from '../../src/errors.ts'
import type { ObjectStore } from '../../src/store/contract.ts'
import { directoryStore } from '../../src/store/directory.ts'
import { assertOwner, ownerKey } from '../../src/store/owner.ts'
import { temporaryFolder } from '../support/cli.ts'
import { png } from './contract.ts'

const anna = { id: 'id-of-anna', database: 'postgres://host/anna' }
const bob = { id: 'id-of-bob', database: 'postgres://host/bob' }
const x = Buffer.from('x')

async function freshStore() {
  const folder = await temporaryFolder()
  return {
    store: directoryStore(folder),
    owner: async () => JSON.parse(await readFile(join(folder, ownerKey), 'utf8')),
    write: (text: string) => writeFile(join(folder, ownerKey), text),
  }
}

const refused = (message: RegExp) => ({
  code: 'REFUSED',
  message: expect.stringMatching(message),
  hint: expect.stringContaining('--take-over'),
})

describe('a store', () => {
  it('that is empty becomes that of whoever claims it, and is refused to everybody else', async () => {
    const { store, owner } = await freshStore()
    await assertOwner(store, anna, { claims: true })
    expect(await owner()).toMatchObject({ installation: anna.id, database: anna.database })
    await assertOwner(store, anna, { claims: false })
    for (const claims of [true, false]) {
      await expect(assertOwner(store, bob, { claims })).rejects.toMatchObject(
        refused(/belongs to postgres:\/\/host\/anna\. This database is postgres:\/\/host\/bob\.$/),
      )
    }
    expect(await owner()).toMatchObject({ installation: anna.id })
  })

  it('that is empty may be tidied by anybody, and stays nobody’s', async () => {
    const { store } = await freshStore()
    await assertOwner(store, anna, { claims: false })
    expect(await store.head(ownerKey)).toBeUndefined()
  })

  it('that holds objects and no marker is refused, whatever the objects', async () => {
    for (const key of ['original/a.png', 'mask/2026/01/01/b.png', 'processed/c.png']) {
      const { store } = await freshStore()
      await store.put(key, x, png(x))
      await expect(assertOwner(store, anna, { claims: true })).rejects.toMatchObject(refused(/holds objects/))
      expect(await store.head(ownerKey)).toBeUndefined()
    }
  })

  it('is taken over when somebody says so, and the reason is told', async () => {
    const { store, owner } = await freshStore()
    await assertOwner(store, anna, { claims: true })
    const reasons: string[] = []
    const takeOver = async (reason: string) => void reasons.push(reason)
    await expect(
      assertOwner(store, bob, { claims: false, takeOver: () => Promise.reject(new Error('no')) }),
    ).rejects.toThrow('no')
    expect(await owner()).toMatchObject({ installation: anna.id })
    await assertOwner(store, bob, { claims: false, takeOver })
    await assertOwner(store, bob, { claims: false, takeOver })
    expect(reasons).toEqual([expect.stringContaining('belongs to postgres://host/anna')])
    await expect(assertOwner(store, anna, { claims: true })).rejects.toMatchObject({ code: 'REFUSED' })
  })

  it('is inherited by a copy that came with it', async () => {
    const { store, owner } = await freshStore()
    await assertOwner(store, anna, { claims: true })
    await assertOwner(store, bob, { claims: false, heirOf: anna.id })
    expect(await owner()).toMatchObject({ installation: bob.id })
  })

  it.each(['', '{', '[]', '{"installation":7}'])('whose marker is %j is refused', async (text) => {
    const { store, write } = await freshStore()
    await write(text)
    await expect(assertOwner(store, anna, { claims: true })).rejects.toMatchObject(
      refused(/a database that its marker does not name/),
    )
  })

  it('of an earlier database in the same place is refused, and that is said', async () => {
    const { store } = await freshStore()
    await assertOwner(store, anna, { claims: true })
    await expect(assertOwner(store, { ...anna, id: 'new' }, { claims: true })).rejects.toMatchObject(
      refused(/belongs to another database that was at postgres:\/\/host\/anna before this one/),
    )
  })

  it('goes to one of many who claim it at the same time', async () => {
    const { store, owner } = await freshStore()
    const all = Array.from({ length: 10 }, (_, index) => ({ id: `id-${index}`, database: `db-${index}` }))
    const claims = await Promise.allSettled(all.map((self) => assertOwner(store, self, { claims: true })))
    const { installation } = await owner()
    claims.forEach(({ status }, index) => {
      expect(status).toBe(all[index]!.id === installation ? 'fulfilled' : 'rejected')
    })
  })

  it('goes to one of them too on a server that knows no conditions', async () => {
    const { store, owner } = await freshStore()
    const forgetful: ObjectStore = {
      ...store,
      put: (key, body, { onlyIf: _, ...options }) => store.put(key, body, options),
    }
    const claims = await Promise.allSettled(
      [anna, bob].map((self) => assertOwner(forgetful, self, { claims: true })),
    )
    expect(claims.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    const winner = [anna, bob][claims.findIndex(({ status }) => status === 'fulfilled')]!
    expect(await owner()).toMatchObject({ installation: winner.id })
  })

  it('is taken over on a server that knows no etag, but not from somebody who was faster', async () => {
    const { store, owner } = await freshStore()
    await assertOwner(store, anna, { claims: true })
    let etag = 'one'
    const fussy: ObjectStore = {
      ...store,
      get: async (key) => Object.assign(await store.get(key), { etag }),
      put: (key, body, options) =>
        typeof options.onlyIf === 'object' && options.onlyIf.etag !== undefined
          ? Promise.reject(new RmbgError('STORE_CONFLICT', 'first'))
          : store.put(key, body, options),
    }
    const faster = async () => {
      etag = 'two'
    }
    await expect(assertOwner(fussy, bob, { claims: false, takeOver: faster })).rejects.toMatchObject({
      code: 'STORE_CONFLICT',
    })
    expect(await owner()).toMatchObject({ installation: anna.id })
    await assertOwner(fussy, bob, { claims: false, takeOver: async () => {} })
    expect(await owner()).toMatchObject({ installation: bob.id })
  })

  it('costs one request when it is one’s own', async () => {
    const { store } = await freshStore()
    await assertOwner(store, anna, { claims: true })
    const asked: string[] = []
    const counted = Object.fromEntries(
      Object.entries(store).map(([name, value]) => [
        name,
        typeof value === 'function'
          ? (...args: unknown[]) => {
              asked.push(name)
              return (value as (...args: unknown[]) => unknown)(...args)
            }
          : value,
      ]),
    ) as unknown as ObjectStore
    await assertOwner(counted, anna, { claims: true })
    expect(asked).toEqual(['get'])
  })
})
