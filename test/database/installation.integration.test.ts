/** A database knows itself, and a copy of it knows that it is one. */
import { cp, rename } from 'node:fs/promises'
import { join } from 'node:path'
import postgres from 'postgres'
import { describe, expect, it } from 'vitest'
import { connectServer } from '../../src/database/connect.ts'
import type { Database } from '../../src/database/contract.ts'
import { openEmbedded } from '../../src/database/embedded.ts'
import { installationOf } from '../../src/database/installation.ts'
import { applyMigrations } from '../../src/database/migrate.ts'
import { temporaryFolder } from '../support/cli.ts'
import { copyEmbeddedDatabase } from '../support/embedded-database.ts'
import { describeWith, freshDatabase } from '../support/servers.ts'
import { onBothDatabases } from './databases.ts'

onBothDatabases('an installation', (database) => {
  it('has an id from when it is first asked for, the same for all who ask', async () => {
    await database().sql`delete from installation`
    const asked = await Promise.all(Array.from({ length: 6 }, () => installationOf(database())))
    expect(new Set(asked.map(({ id }) => id)).size).toBe(1)
    expect(asked[0]).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      database: database().location,
      copiedFrom: null,
    })
  })

  it('gets another id where it is a copy, once, and remembers of which', async () => {
    const original = await installationOf(database())
    const elsewhere: Database = { ...database(), origin: async () => 'elsewhere/1/2' }
    const copies = await Promise.all([installationOf(elsewhere), installationOf(elsewhere)])
    expect(copies[0]).toEqual({ ...original, id: expect.any(String), copiedFrom: original.id })
    expect(copies[0]!.id).not.toBe(original.id)
    expect(copies[1]).toEqual(copies[0])
    await database().sql`delete from installation`
  })

  it('stays itself where the role may not ask which server it is', async () => {
    const at = (origin: string): Database => ({ ...database(), origin: async () => origin })
    const { id } = await installationOf(at('server/77/5'))
    expect((await installationOf(at('server/?/5'))).id).toBe(id)
    expect((await installationOf(at('server/?/6'))).id).not.toBe(id)
    await database().sql`delete from installation`
  })
})

describeWith('RMBG_TEST_DATABASE_URL')('the origin of a database on a server', () => {
  it('is not that of a copy on the same server', async () => {
    const { url, drop } = await freshDatabase()
    const original = connectServer(url)
    await applyMigrations(original)
    const { id } = await installationOf(original)
    await original.close()
    const name = new URL(url).pathname.slice(1)
    const admin = postgres(url.replace(name, 'postgres'), { max: 1, onnotice: () => {} })
    await admin`create database ${admin(`${name}_copy`)} template ${admin(name)}`
    const copy = connectServer(`${url}_copy`)
    try {
      expect(await installationOf(copy)).toMatchObject({ copiedFrom: id })
    } finally {
      await copy.close()
      await admin`drop database ${admin(`${name}_copy`)}`
      await admin.end()
      await drop()
    }
  })

  it('is known as far as a role may ask', async () => {
    const { url, drop } = await freshDatabase()
    const server = connectServer(url)
    const whole = await server.origin()
    expect(whole).toMatch(/^server\/\d+\/\d+$/)
    const role = `rmbg_reader_${crypto.randomUUID().slice(0, 8)}`
    await server.sql`create role ${server.sql(role)} login`
    await server.sql`revoke execute on function pg_control_system() from public`
    try {
      const asRole = new URL(url)
      asRole.username = role
      const limited = connectServer(asRole.href)
      expect(await limited.origin()).toBe(whole.replace(/\/\d+\//, '/?/'))
      await limited.close()
    } finally {
      await server.sql`grant execute on function pg_control_system() to public`
      await server.sql`drop role ${server.sql(role)}`
      await server.close()
      await drop()
    }
  })
})

describe('the origin of an embedded database', () => {
  it('is the same after its folder was moved, and another in a copy', async () => {
    const folder = await temporaryFolder()
    await copyEmbeddedDatabase(join(folder, 'a'))
    const asked = async (name: string) => {
      const database = await openEmbedded(join(folder, name))
      try {
        return await installationOf(database)
      } finally {
        await database.close()
      }
    }
    const original = await asked('a')
    await rename(join(folder, 'a'), join(folder, 'b'))
    expect((await asked('b')).id).toBe(original.id)
    await cp(join(folder, 'b'), join(folder, 'c'), { recursive: true })
    expect(await asked('c')).toMatchObject({ copiedFrom: original.id })
    expect((await asked('b')).id).toBe(original.id)
  })
})
