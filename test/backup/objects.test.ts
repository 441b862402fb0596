/** Copies of objects: what goes wrong with one is told, and hides behind no other. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { v7 as uuidv7 } from 'uuid'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { objectsFile, removeUnneeded, restoreObjects } from '../../src/backup/objects.ts'
import type { Vault } from '../../src/backup/vault.ts'
import { RmbgError } from '../../src/errors.ts'
import type { ObjectKind, ObjectStore } from '../../src/store/contract.ts'
import { directoryStore } from '../../src/store/directory.ts'
import { jobPrefix, objectKey } from '../../src/store/keys.ts'
import { sha256Of } from '../../src/system/sha256.ts'

const backupId = '2026-11-21T03-00-00Z-1a2b3c'
const kinds = ['mask', 'original', 'processed'] as const

let folder: string
let vault: Vault
let store: ObjectStore

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rmbg-test-'))
  vault = { store: directoryStore(join(folder, 'vault')), location: folder }
  store = directoryStore(join(folder, 'store'))
})
afterEach(() => rm(folder, { recursive: true }))

/** Copies of `jobs` jobs in the vault, and the list of a backup that needs them. */
async function makeBackup(
  jobs: number | string[],
  id = backupId,
  nameOf = (jobId: string, index: number) => `${jobId}-${index + 1}`,
): Promise<string[]> {
  const ids = typeof jobs === 'number' ? Array.from({ length: jobs }, () => uuidv7()).sort() : jobs
  const folderOf = (kind: ObjectKind, jobId: string) => jobPrefix(kind, jobId).slice(0, -jobId.length)
  const keys = kinds.flatMap((kind) =>
    ids.map((jobId, index) => `${folderOf(kind, jobId)}${nameOf(jobId, index)}.png`),
  )
  const lines: string[] = []
  for (const key of keys) {
    const body = Buffer.from(`content of ${key}`)
    const sha256 = sha256Of(body)
    await vault.store.put(`objects/${key}`, body, { contentType: 'image/png', sha256 })
    lines.push(`${key}\t${body.length}\t${sha256}\n`)
  }
  const list = gzipSync(lines.join(''))
  const options = { contentType: 'application/gzip', sha256: sha256Of(list) }
  await vault.store.put(`${id}/${objectsFile}`, list, options)
  return keys
}

const restore = (into: ObjectStore) =>
  restoreObjects(vault, backupId, into, { signal: new AbortController().signal, onObject: () => {} })

async function keysOf(holder: ObjectStore, prefix = ''): Promise<string[]> {
  const keys: string[] = []
  for (const kind of kinds) {
    for await (const { key } of holder.list(`${prefix}${kind}/`)) keys.push(key.slice(prefix.length))
  }
  return keys
}

describe('restoring objects', () => {
  it('copies what the store lacks, and only that', async () => {
    const keys = await makeBackup(3)
    expect(await restore(store)).toMatchObject({ count: 9, copied: 9, missing: [], damaged: [] })
    expect(await keysOf(store)).toEqual(keys)
    await store.remove([keys[4]!])
    expect(await restore(store)).toMatchObject({ count: 9, copied: 1 })
  })

  it('copies whatever attempt made the objects, also before attempts had keys of their own', async () => {
    const names = ['', '-1', '-12', '-2', '']
    const keys = await makeBackup(names.length, backupId, (jobId, index) => `${jobId}${names[index]}`)
    expect(await restore(store)).toMatchObject({ count: 15, copied: 15 })
    const [kind, id] = ['mask', keys[0]!.slice(-40, -4)] as const
    const body = Buffer.from('of an attempt that the backup does not hold')
    await store.put(objectKey(kind, id, 7, 'png'), body, { contentType: 'image/png', sha256: sha256Of(body) })
    expect(await restore(store)).toMatchObject({ count: 15, copied: 0 })
    await store.remove([keys[0]!])
    expect(await restore(store)).toMatchObject({ count: 15, copied: 1 })
  })

  it('names what is missing or damaged in the backup, and restores everything else', async () => {
    const keys = await makeBackup(2)
    const [missing, damaged] = [keys[1]!, keys[2]!]
    await vault.store.remove([`objects/${missing}`])
    const rotten = Buffer.from('x'.repeat(`content of ${damaged}`.length))
    await vault.store.put(`objects/${damaged}`, rotten, {
      contentType: 'image/png',
      sha256: sha256Of(rotten),
    })
    expect(await restore(store)).toMatchObject({
      count: 6,
      copied: 4,
      missing: [missing],
      damaged: [damaged],
    })
    expect(await keysOf(store)).toEqual(keys.filter((key) => key !== missing && key !== damaged))
  })

  it('fails when one copy fails long before the last one is begun', async () => {
    const keys = await makeBackup(1)
    const denied: ObjectStore = {
      ...store,
      copyTo: async () => false,
      put: async (key, body, options) => {
        if (key === keys[0]) throw new RmbgError('STORE_DENIED', 'Not this one.')
        return store.put(key, body, options)
      },
      list: async function* (prefix, options) {
        if (prefix !== 'mask/') await sleep(100)
        yield* store.list(prefix, options)
      },
    }
    await expect(restore(denied)).rejects.toMatchObject({ code: 'STORE_DENIED' })
  })
})

describe('removing copies that no backup needs', () => {
  it('keeps those of any backup that is left', async () => {
    const other = '2026-11-22T03-00-00Z-1a2b3c'
    const [first, second, gone] = [
      await makeBackup(2),
      await makeBackup(2, other),
      await makeBackup(1, '2026-11-23T03-00-00Z-1a2b3c'),
    ]
    const { signal } = new AbortController()
    expect(await removeUnneeded(vault, [backupId, other], signal)).toBe(gone.length)
    expect((await keysOf(vault.store, 'objects/')).sort()).toEqual([...first, ...second].sort())
  })

  it('tells the attempts at one job apart', async () => {
    const ids = [uuidv7(), uuidv7(), uuidv7()].sort()
    const backups = ['2026-11-20', '2026-11-21', '2026-11-22'].map((day) => `${day}T03-00-00Z-1a2b3c`)
    const [old, , twelfth] = [
      await makeBackup(ids, backups[0], (jobId) => jobId),
      await makeBackup(ids, backups[1], (jobId) => `${jobId}-2`),
      await makeBackup(ids, backups[2], (jobId) => `${jobId}-12`),
    ]
    const { signal } = new AbortController()
    expect(await removeUnneeded(vault, [backups[0]!, backups[2]!], signal)).toBe(9)
    expect((await keysOf(vault.store, 'objects/')).sort()).toEqual([...old, ...twelfth].sort())
  })
})
