import { beforeEach, expect, it } from 'vitest'
import { findUserByEmail, listUsers, setUser, upsertUser } from '../../src/database/users.ts'
import { emailVault } from '../../src/email.ts'
import { onBothDatabases } from './databases.ts'

const key = 'a key that nobody else knows'
const vault = emailVault(key)
const plain = emailVault(undefined)

onBothDatabases('a user', (database) => {
  const set = (user: string, email: string, by = vault) => setUser(database().sql, by, user, { email })
  beforeEach(async () => {
    await database().sql`delete from users`
  })

  it('is known by its id until it is named, and keeps its name', async () => {
    const { sql } = database()
    await upsertUser(sql, 'anna')
    expect((await listUsers(sql, plain, { limit: 9, after: '' }))[0]).toMatchObject({
      username: 'anna',
      email: null,
    })
    await setUser(sql, plain, 'anna', { username: 'Anna Berg' })
    await upsertUser(sql, 'anna')
    await set('anna', 'anna@example.com', plain)
    expect(await listUsers(sql, plain, { limit: 9, after: '' })).toMatchObject([
      { userId: 'anna', username: 'Anna Berg', email: 'anna@example.com', emailEncrypted: false },
    ])
    expect(await listUsers(sql, plain, { limit: 9, after: 'anna' })).toEqual([])
  })

  it('has an encrypted address that pgcrypto reads with the key, and nobody without it', async () => {
    const { sql } = database()
    expect(await set('anna', 'anna@example.com')).toMatchObject({
      email: 'anna@example.com',
      emailEncrypted: true,
    })
    const [row] = await sql`select pgp_sym_decrypt(email_encrypted, ${key}) as opened, email from users`
    expect(row).toEqual({ opened: 'anna@example.com', email: null })
    for (const other of [plain, emailVault('another key altogether')]) {
      expect(await listUsers(sql, other, { limit: 9, after: '' })).toMatchObject([
        { email: null, emailEncrypted: true },
      ])
    }
    const [stored] = await sql`select u::text as text from users u`
    expect(stored!.text).not.toContain('example')
  })

  it('is found by the address, in upper or lower case', async () => {
    const { sql } = database()
    await set('anna', 'Anna@Example.com')
    await set('bob', 'bob@example.com', plain)
    expect((await findUserByEmail(sql, vault, 'anna@example.COM')).map(({ userId }) => userId)).toEqual([
      'anna',
    ])
    expect((await findUserByEmail(sql, vault, 'bob@example.com')).map(({ userId }) => userId)).toEqual([
      'bob',
    ])
    expect(await findUserByEmail(sql, vault, 'carl@example.com')).toEqual([])
  })

  it('shares the address with nobody, readable or encrypted', async () => {
    await set('anna', 'a@example.com')
    await expect(set('bob', 'A@example.com')).rejects.toMatchObject({
      message: expect.stringContaining('"anna"'),
    })
    await set('carl', 'c@example.com', plain)
    await expect(set('dora', 'c@example.com')).rejects.toMatchObject({ code: 'USAGE' })
    await expect(set('dora', 'c@example.com', plain)).rejects.toMatchObject({ code: 'USAGE' })
    await set('anna', 'a@example.com') // one's own again
    await set('anna', '')
    expect(await set('bob', 'a@example.com')).toMatchObject({ userId: 'bob' })
  })

  it('has an address, not just any text', async () => {
    for (const text of ['anna', '@', 'a b@c', 'a@b\n.c', 'a@b@c']) {
      await expect(set('anna', text), text).rejects.toMatchObject({ code: 'USAGE' })
    }
  })
})

onBothDatabases('the encryption key', (database) => {
  it('is in no statement that the server sees', async () => {
    const { sql } = database()
    const seen: string[] = []
    const { debug } = sql.options
    sql.options.debug = (_connection, query, parameters) => seen.push(query + JSON.stringify(parameters))
    await setUser(sql, vault, 'anna', { email: 'anna@example.com' })
    await findUserByEmail(sql, vault, 'anna@example.com')
    await listUsers(sql, vault, { limit: 9, after: '' })
    sql.options.debug = debug
    expect(seen.length).toBeGreaterThan(2)
    for (const statement of seen) expect(statement).not.toContain(key)
  })
})
