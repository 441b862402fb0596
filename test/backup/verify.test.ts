/** A backup that is read to its end: what is missing and what is damaged, each in a sentence. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Manifest } from '../../src/backup/manifest.ts'
import { objectsFile } from '../../src/backup/objects.ts'
import type { Vault } from '../../src/backup/vault.ts'
import { verifyBackup } from '../../src/backup/verify.ts'
import { directoryStore } from '../../src/store/directory.ts'
import { sha256Of } from '../../src/system/sha256.ts'

const backupId = '2026-11-21T03-00-00Z-1a2b3c'
const keys = ['mask/2026/11/21/a.png', 'original/2026/11/21/a.jpg']
const list = gzipSync(keys.map((key) => `${key}\t${key.length}\t${sha256Of(key)}\n`).join(''))
const manifest: Manifest = {
  ...{ format: 1, backupId, createdAt: '2026-11-21T03:00:00.000Z', program: 'test', drill: null },
  finishedAt: '2026-11-21T03:00:00.000Z',
  database: {
    ...{ kind: 'server', version: 16, format: 'custom', file: 'database.dump', bytes: 4 },
    ...{ sha256: sha256Of('dump'), migrations: [], tables: [] },
  },
  objects: { count: 2, bytes: 50, missing: 0, damaged: 0, copied: true, sha256: sha256Of(list) },
}

let folder: string
let vault: Vault
const put = (key: string, body: Uint8Array) =>
  vault.store.put(key, body, { contentType: 'application/octet-stream', sha256: sha256Of(body) })
const verify = () =>
  verifyBackup(vault, manifest, { signal: new AbortController().signal, onObject: () => {} })

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rmbg-test-'))
  vault = { store: directoryStore(folder), location: folder }
  await put(`${backupId}/database.dump`, Buffer.from('dump'))
  await put(`${backupId}/${objectsFile}`, list)
  for (const key of keys) await put(`objects/${key}`, Buffer.from(key))
})
afterEach(() => rm(folder, { recursive: true }))

it('an intact backup has no damages', async () => {
  expect(await verify()).toEqual({ backupId, damages: [], objectsRead: 2 })
})

it('a backup is searched to its end', async () => {
  await put(`${backupId}/database.dump`, Buffer.from('rust'))
  await vault.store.remove([`objects/${keys[0]}`])
  await put(`objects/${keys[1]}`, Buffer.from('rust'))
  expect((await verify()).damages).toEqual([
    'The dump is not what was written.',
    `The object ${keys[0]} is missing.`,
    `The object ${keys[1]} is not what was written.`,
  ])
})

it('a list that is damaged is not followed', async () => {
  await put(`${backupId}/${objectsFile}`, gzipSync('x'))
  expect(await verify()).toEqual({
    backupId,
    damages: ['The list of objects is not what was written.'],
    objectsRead: 0,
  })
})
