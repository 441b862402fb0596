/** Manifests, and where backups are: what is complete, what is not, and how one is named. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  backupIds,
  chosenManifest,
  listManifests,
  type Manifest,
  manifestFile,
  readManifest,
  writeManifest,
} from '../../src/backup/manifest.ts'
import { backupIdOf, backupIdRule, splitKey, splitLocation, type Vault } from '../../src/backup/vault.ts'
import { directoryStore } from '../../src/store/directory.ts'
import { sha256Of } from '../../src/system/sha256.ts'

let vault: Vault
let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rmbg-test-'))
  vault = { store: directoryStore(folder), location: folder }
})
afterEach(() => rm(folder, { recursive: true }))

const manifest = (createdAt: string, id = '1a2b3c'): Manifest => ({
  format: 1,
  backupId: `${createdAt.slice(0, 19).replaceAll(':', '-')}Z-${id}`,
  createdAt,
  finishedAt: createdAt,
  program: '0.1.0',
  database: {
    ...{ kind: 'server', version: 16, format: 'custom', file: 'database.dump', bytes: 12 },
    ...{ sha256: sha256Of('dump'), migrations: ['0001_extensions'] },
    tables: [{ table: 'image_process_jobs', rows: 2, digest: '123' }],
  },
  objects: { count: 6, bytes: 60, missing: 0, damaged: 0, copied: false, sha256: null },
  drill: null,
})

const put = (key: string, text: string) =>
  vault.store.put(key, Buffer.from(text), {
    contentType: 'application/json',
    sha256: sha256Of(text),
  })

describe('a manifest', () => {
  it('is read as it was written', async () => {
    const written = manifest('2026-11-21T03:00:00.000Z')
    await writeManifest(vault, written)
    expect(await readManifest(vault, written.backupId)).toEqual(written)
  })

  it('of a release that did not count damaged objects is read', async () => {
    const { backupId, ...rest } = manifest('2026-11-21T03:00:00.000Z')
    const { damaged: _, ...objects } = rest.objects
    await put(`${backupId}/${manifestFile}`, JSON.stringify({ backupId, ...rest, objects }))
    expect((await readManifest(vault, backupId)).objects.damaged).toBe(0)
  })

  it.each([
    ['no JSON', 'x'],
    ['another format', JSON.stringify({ ...manifest('2026-11-21T03:00:00.000Z'), format: 3 })],
    [
      'copies without a list',
      JSON.stringify({
        ...manifest('2026-11-21T03:00:00.000Z'),
        objects: { count: 1, bytes: 1, missing: 0, copied: true, sha256: null },
      }),
    ],
  ])('with %s is refused', async (_, text) => {
    await put(`2026-11-21T03-00-00Z-1a2b3c/${manifestFile}`, text)
    await expect(readManifest(vault, '2026-11-21T03-00-00Z-1a2b3c')).rejects.toMatchObject({
      code: 'BACKUP_INVALID',
    })
  })

  it('makes a folder a backup; other folders are left behind by interrupted ones', async () => {
    await writeManifest(vault, manifest('2026-11-21T03:00:00.000Z'))
    await put('2026-11-22T03-00-00Z-1a2b3c/database.dump', 'half')
    await put('objects/mask/2026/11/21/x.png', 'copy')
    await put('2026-notes/readme.txt', 'somebody else')
    expect(await backupIds(vault, { complete: true })).toEqual(['2026-11-21T03-00-00Z-1a2b3c'])
    expect(await backupIds(vault, { complete: false })).toEqual(['2026-11-22T03-00-00Z-1a2b3c'])
  })

  it('is chosen by its id, else the newest, to the millisecond', async () => {
    const older = manifest('2026-11-21T03:00:00.001Z', 'ffffff')
    const newer = manifest('2026-11-21T03:00:00.002Z', '000000')
    for (const each of [newer, older]) await writeManifest(vault, each)
    expect(await listManifests(vault)).toEqual([older, newer])
    expect(await chosenManifest(vault, undefined)).toEqual(newer)
    expect(await chosenManifest(vault, older.backupId)).toEqual(older)
  })

  it('is not found where there is none', async () => {
    await expect(chosenManifest(vault, undefined)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
})

describe('a backup id', () => {
  it('tells its second and is another one every time', () => {
    const ids = Array.from({ length: 5 }, () => backupIdOf('2026-11-21T03:00:00.123Z'))
    for (const id of ids) expect(id).toMatch(backupIdRule)
    expect(ids[0]).toMatch(/^2026-11-21T03-00-00Z-/)
    expect(new Set(ids).size).toBe(5)
  })

  it.each([
    ['/var/backups', { place: '/var/backups' }],
    ['/var/backups/', { place: '/var/backups/' }],
    ['/var/2026-11-21T03-00-00Z-1a2b3c', { place: '/var', backupId: '2026-11-21T03-00-00Z-1a2b3c' }],
    ['2026-11-21T03-00-00Z-1a2b3c/', { place: '.', backupId: '2026-11-21T03-00-00Z-1a2b3c' }],
    [
      's3://backups/rmbg/2026-11-21T03-00-00Z-1a2b3c',
      { place: 's3://backups/rmbg', backupId: '2026-11-21T03-00-00Z-1a2b3c' },
    ],
    ['s3://backups', { place: 's3://backups' }],
  ])('is found at the end of the location %s', (location, split) => {
    expect(splitLocation(location)).toEqual(split)
  })

  it.each([
    ['2026-11-21T03-00-00Z-1a2b3c/database.dump', '2026-11-21T03-00-00Z-1a2b3c'],
    ['objects/mask/x.png', undefined],
    ['2026-11-21T03-00-00Z-1a2b3c', undefined],
  ])('is found at the start of the key %s', (key, backupId) => {
    expect(splitKey(key)?.backupId).toBe(backupId)
  })
})
