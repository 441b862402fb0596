/** What a database refuses to be restored from, and a scratch database that leaves nothing behind. */

import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Manifest } from '../../src/backup/manifest.ts'
import { restoreBackup } from '../../src/backup/restore.ts'
import type { Vault } from '../../src/backup/vault.ts'
import type { EmbeddedDatabase } from '../../src/database/contract.ts'
import { openEmbedded } from '../../src/database/embedded.ts'
import { tableFigures } from '../../src/database/figures.ts'
import { directoryStore } from '../../src/store/directory.ts'
import { sha256Of } from '../../src/system/sha256.ts'

describe('the embedded database', () => {
  let folder: string
  let database: EmbeddedDatabase
  let dump: string
  let manifest: Manifest
  let vault: Vault
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rmbg-test-'))
    database = await openEmbedded(join(folder, 'database'))
    await database.sql`insert into tags (name) values ('spring')`
    const snapshot = await database.openSnapshot()
    dump = await text(await snapshot.dump())
    vault = { store: directoryStore(join(folder, 'vault')), location: folder }
    const backupId = '2026-11-21T03-00-00Z-1a2b3c'
    const sha256 = sha256Of(dump)
    await vault.store.put(`${backupId}/database.sql`, Buffer.from(dump), {
      contentType: 'application/octet-stream',
      sha256,
    })
    manifest = {
      ...{ format: 1, backupId, createdAt: '2026-11-21T03:00:00.000Z', program: 'test' },
      finishedAt: '2026-11-21T03:00:00.000Z',
      database: {
        ...{ kind: 'embedded', version: snapshot.version, format: snapshot.format, file: 'database.sql' },
        ...{ bytes: dump.length, sha256, migrations: [], tables: await tableFigures(database.sql) },
      },
      objects: { count: 0, bytes: 0, missing: 0, damaged: 0, copied: false, sha256: null },
      drill: null,
    }
  })
  afterAll(async () => {
    await database.close()
    await rm(folder, { recursive: true })
  })

  it('opens a scratch database that takes the dump, and leaves nothing of it', async () => {
    const scratch = await database.openScratch()
    await scratch.restore({
      format: 'plain',
      version: 17,
      grants: false,
      open: async () => Readable.from([Buffer.from(dump)]),
    })
    expect(await scratch.sql`select name from tags`).toEqual([{ name: 'spring' }])
    await scratch.close()
    expect(await readdir(join(folder, 'database'))).not.toContain('drill')
  })

  it('counts as restored when it holds the backup already', async () => {
    expect(await restoreBackup(vault, manifest, database)).toBe(false)
  })

  it('refuses the archive of a server', async () => {
    const ofServer: Manifest = { ...manifest, database: { ...manifest.database, format: 'custom' } }
    await expect(restoreBackup(vault, ofServer, database)).rejects.toMatchObject({
      code: 'REFUSED',
      hint: 'Set DATABASE_URL.',
    })
  })

  it('refuses any backup when something else is in it, and is left as it is', async () => {
    const [table] = manifest.database.tables
    const other: Manifest = {
      ...manifest,
      database: { ...manifest.database, tables: [{ ...table!, rows: 7 }] },
    }
    await expect(restoreBackup(vault, other, database)).rejects.toMatchObject({ code: 'REFUSED' })
    expect(await database.sql`select name from tags`).toHaveLength(1)
  })
})
