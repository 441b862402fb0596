/** A database that cannot store every character: those of earlier releases may be such. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { connectServer } from '../../src/database/connect.ts'
import type { ServerDatabase } from '../../src/database/contract.ts'
import { applyMigrations } from '../../src/database/migrate.ts'
import type { Batch, Image } from '../../src/process/contract.ts'
import { unfinishedImages } from '../../src/process/unfinished.ts'
import { describeWith, freshDatabase } from '../support/servers.ts'

describeWith('RMBG_TEST_DATABASE_URL')('a database in LATIN1', () => {
  let folder: string
  let admin: ServerDatabase
  let latin: ServerDatabase
  let name: string
  let drop: () => Promise<void>
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rmbg-latin-'))
    const fresh = await freshDatabase()
    drop = fresh.drop
    admin = connectServer(fresh.url, { maxConnections: 1 })
    name = `${new URL(fresh.url).pathname.slice(1)}_latin`
    await admin.sql.unsafe(
      `create database ${name} encoding 'LATIN1' lc_collate 'C' lc_ctype 'C' template template0`,
    )
    latin = connectServer(`${fresh.url}?dbname=${name}`)
  })
  afterAll(async () => {
    await latin.close()
    await admin.sql.unsafe(`drop database ${name}`)
    await admin.close()
    await drop()
    await rm(folder, { recursive: true })
  })

  it('is refused by migrate', async () => {
    await expect(applyMigrations(latin)).rejects.toMatchObject({
      code: 'DATABASE_ERROR',
      message: `The database ${name} has the encoding LATIN1, which cannot store every file name; it has to be UTF8.`,
    })
  })

  it('fails the images alone whose names it cannot store', async () => {
    const names = ['a.jpg', 'é.jpg', 'İ.jpg', 'b.jpg', '猫.jpg']
    for (const each of names) await writeFile(join(folder, each), 'x')
    const candidates = names.map((each) => ({ path: join(folder, each), shown: each }))
    // What it asks of a batch, before any image is opened.
    const batch = { database: latin, checksum: true, signal: new AbortController().signal, masks: {} }
    const images: Image[] = []
    for await (const image of unfinishedImages(batch as unknown as Batch, candidates as never, () => {}))
      images.push(image)
    expect(images.map((image) => ('failure' in image ? image.failure.message : 'taken'))).toEqual([
      'taken',
      'taken',
      'The database, with its encoding LATIN1, cannot store the name of this file.',
      'taken',
      'The database, with its encoding LATIN1, cannot store the name of this file.',
    ])
    expect(images[4]?.candidate.loggedPath).toBe(join(folder, '\\u732b.jpg'))
  })
})
