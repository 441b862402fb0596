/** Users and their addresses: readable or encrypted, one address for one user, the key never near the database. */
import type postgres from 'postgres'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { connectServer } from '../../src/database/connect.ts'
import { emailCipher } from '../../src/database/email-cipher.ts'
import { applyMigrations } from '../../src/database/migrate.ts'
import { findUserByEmail, listUsers, setUser, upsertUser } from '../../src/database/users.ts'
import { describeWith, freshDatabase } from '../support/servers.ts'
import { onBothDatabases } from './databases.ts'
import { startProxy } from './proxy.ts'

const key = 'correct horse battery staple'
const plain = emailCipher(undefined)
const sealed = emailCipher(key)
const otherKey = emailCipher('another key of sixteen characters')

/** Everything the database holds of users, and what its indexes compare. */
const everything = async (sql: postgres.Sql): Promise<string> => {
  const rows =
    await sql`select u::text || encode(coalesce(email_encrypted, ''), 'escape') as row from users u`
  return rows.map(({ row }) => row).join('\n')
}

onBothDatabases('a user', (database) => {
  const sql = () => database().sql
  const users = (vault = sealed) => listUsers(sql(), vault, { limit: 100, after: '' })
  beforeEach(() => sql()`delete from users`)

  it('becomes known by working, called by the id, and is seen', async () => {
    await upsertUser(sql(), 'anna')
    await setUser(sql(), plain, 'anna', { username: 'Anna Berg' })
    await upsertUser(sql(), 'anna')
    const [anna] = await users()
    expect(anna).toEqual({
      userId: 'anna',
      username: 'Anna Berg',
      email: null,
      emailEncrypted: false,
      createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/),
      lastLogin: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/),
    })
  })

  it('is made by being named, not seen yet', async () => {
    expect(await setUser(sql(), plain, 'ben', { email: 'ben@example.com' })).toMatchObject({
      userId: 'ben',
      username: 'ben',
      email: 'ben@example.com',
      lastLogin: null,
    })
  })

  it('keeps what is not given', async () => {
    await setUser(sql(), sealed, 'anna', { username: 'Anna', email: 'anna@example.com' })
    await setUser(sql(), sealed, 'anna', { username: 'Anna Berg' })
    await setUser(sql(), sealed, 'anna', { email: 'berg@example.com' })
    expect(await users()).toMatchObject([{ username: 'Anna Berg', email: 'berg@example.com' }])
  })

  it('is listed by id, byte by byte, page by page', async () => {
    for (const id of ['ben', 'Zoe', 'anna', 'émile']) await upsertUser(sql(), id)
    const page = async (after: string) =>
      (await listUsers(sql(), plain, { limit: 2, after })).map(({ userId }) => userId)
    expect(await page('')).toEqual(['Zoe', 'anna'])
    expect(await page('anna')).toEqual(['ben', 'émile'])
    expect(await page('émile')).toEqual([])
  })

  it('takes SQL as text', async () => {
    const text = "'); drop table users; --"
    await setUser(sql(), plain, text, { username: text, email: `${text.replaceAll(' ', '')}@example.com` })
    expect(await users()).toMatchObject([{ userId: text, username: text }])
    expect(await findUserByEmail(sql(), plain, "'or/**/true--@x")).toEqual([])
  })

  describe.each([
    ['readable', plain],
    ['encrypted', sealed],
  ])('with an address that is %s', (_, vault) => {
    it('is found by it, in capitals too, and by no part of it', async () => {
      await setUser(sql(), vault, 'anna', { email: ' Anna@Example.com ' })
      await setUser(sql(), vault, 'ben', { email: 'ben@example.com' })
      const found = async (email: string) =>
        (await findUserByEmail(sql(), vault, email)).map(({ userId, email }) => [userId, email])
      expect(await found('Anna@Example.com')).toEqual([['anna', 'Anna@Example.com']])
      expect(await found('  anna@EXAMPLE.com')).toEqual([['anna', 'Anna@Example.com']])
      expect(await found('anna@example.co')).toEqual([])
      expect(await found('%@example.com')).toEqual([])
    })

    it('shares it with nobody, in capitals neither', async () => {
      await setUser(sql(), vault, 'anna', { email: 'anna@example.com' })
      for (const email of ['anna@example.com', 'ANNA@example.com']) {
        await expect(setUser(sql(), vault, 'ben', { email })).rejects.toMatchObject({
          code: 'USAGE',
          message: `The address ${email} belongs to the user "anna".`,
        })
      }
      expect(await users(vault)).toMatchObject([{ userId: 'anna' }])
    })

    it('is the only one with it though ten are set at once', async () => {
      const attempts = await Promise.allSettled(
        Array.from({ length: 10 }, (_, index) =>
          setUser(sql(), vault, `user-${index}`, {
            email: index % 2 ? 'one@example.com' : 'One@example.com',
          }),
        ),
      )
      expect(attempts.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      for (const attempt of attempts) {
        if (attempt.status === 'rejected') expect(attempt.reason).toMatchObject({ code: 'USAGE' })
      }
      expect(await users(vault)).toHaveLength(1)
    })

    it('may give itself the same one again, and gives it away by removing it', async () => {
      await setUser(sql(), vault, 'anna', { email: 'anna@example.com' })
      await setUser(sql(), vault, 'anna', { email: 'Anna@example.com' })
      expect(await setUser(sql(), vault, 'anna', { email: '' })).toMatchObject({
        email: null,
        emailEncrypted: false,
      })
      expect(await findUserByEmail(sql(), vault, 'anna@example.com')).toEqual([])
      expect(await setUser(sql(), vault, 'ben', { email: 'anna@example.com' })).toMatchObject({
        email: 'anna@example.com',
      })
    })

    it.each([
      'anna',
      '@example.com',
      'anna@',
      'a b@example.com',
      'a@b@c',
      'a@b\u0000',
      ' ',
      `${'x'.repeat(250)}@long.com`,
    ])('is refused %j, which is none', async (email) => {
      await expect(setUser(sql(), vault, 'anna', { email })).rejects.toMatchObject({ code: 'USAGE' })
      await expect(findUserByEmail(sql(), vault, email)).rejects.toMatchObject({ code: 'USAGE' })
      expect(await users(vault)).toEqual([])
    })
  })

  it('with a readable address keeps it from a user whose one would be encrypted', async () => {
    await setUser(sql(), plain, 'anna', { email: 'anna@example.com' })
    await expect(setUser(sql(), sealed, 'ben', { email: 'ANNA@example.com' })).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining('belongs to the user "anna"'),
    })
    expect(await findUserByEmail(sql(), sealed, 'Anna@example.com')).toMatchObject([{ userId: 'anna' }])
  })

  it('turns a readable address into an encrypted one by being set again, and back', async () => {
    await setUser(sql(), plain, 'anna', { email: 'anna@example.com' })
    await setUser(sql(), sealed, 'anna', { email: 'anna@example.com' })
    expect(await everything(sql())).not.toMatch(/anna@example/i)
    await setUser(sql(), plain, 'anna', { email: 'anna@example.com' })
    expect(await users(plain)).toMatchObject([{ email: 'anna@example.com', emailEncrypted: false }])
  })
})

onBothDatabases('an encrypted address', (database) => {
  const sql = () => database().sql
  beforeEach(async () => {
    await sql()`delete from users`
    await setUser(sql(), sealed, 'anna', { email: 'Anna.Müller@example.com' })
  })

  it('is opened by pgp_sym_decrypt of pgcrypto with the same key', async () => {
    const [row] = await sql()`select pgp_sym_decrypt(email_encrypted, ${key}) as email from users`
    expect(row).toEqual({ email: 'Anna.Müller@example.com' })
    const wrong = sql()`select pgp_sym_decrypt(email_encrypted, 'a wrong key') as email from users`
    await expect(wrong).rejects.toThrow(/Wrong key/)
  })

  it('is AES-256, and another text every time', async () => {
    const stored = async () => (await sql()`select email_encrypted as bytes from users`)[0]!.bytes as Buffer
    const before = await stored()
    await setUser(sql(), sealed, 'anna', { email: 'Anna.Müller@example.com' })
    expect(await stored()).not.toEqual(before)
    // Of RFC 4880: a symmetric-key encrypted session key (tag 3), version 4, AES-256 (9), iterated and salted S2K (3).
    expect(before.subarray(0, 1)).toEqual(Buffer.from([0xc0 | 3]))
    expect(before.subarray(2, 5)).toEqual(Buffer.from([4, 9, 3]))
  })

  it.each([
    ['without a key', plain],
    ['with another key', otherKey],
  ])('is shown as encrypted %s', async (_, vault) => {
    const [anna] = await listUsers(sql(), vault, { limit: 10, after: '' })
    expect(anna).toMatchObject({ userId: 'anna', email: null, emailEncrypted: true })
    expect(await findUserByEmail(sql(), vault, 'Anna.Müller@example.com')).toEqual([])
  })

  it('that is damaged is shown as encrypted, and hides no other user', async () => {
    await setUser(sql(), sealed, 'ben', { email: 'ben@example.com' })
    await sql()`update users set email_encrypted = '\\x00' where user_id = 'anna'`
    expect(await listUsers(sql(), sealed, { limit: 10, after: '' })).toMatchObject([
      { userId: 'anna', email: null, emailEncrypted: true },
      { userId: 'ben', email: 'ben@example.com' },
    ])
  })

  it('is nowhere readable in the table, nor is the key', async () => {
    const text = await everything(sql())
    expect(text).not.toMatch(/müller|example/i)
    expect(text).not.toContain(key)
    expect(text).not.toContain(Buffer.from(key).toString('hex'))
    expect(text).not.toContain(Buffer.from('Müller').toString('hex'))
    const [row] =
      await sql()`select email_digest = digest(lower('Anna.Müller@example.com'), 'sha256') as guessable from users`
    expect(row).toEqual({ guessable: false })
  })
})

describeWith('RMBG_TEST_DATABASE_URL')('a server that writes down every statement', () => {
  it('gets to see no key', async () => {
    const fresh = await freshDatabase()
    onTestFinished(() => fresh.drop())
    const proxy = await startProxy(fresh.url)
    const server = connectServer(proxy.url, { maxConnections: 1 })
    onTestFinished(() => server.close())
    await applyMigrations(server)
    await setUser(server.sql, sealed, 'anna', { email: 'anna@example.com' })
    await setUser(server.sql, sealed, 'anna', { username: 'Anna' })
    await listUsers(server.sql, sealed, { limit: 10, after: '' })
    const statements =
      await server.sql`select coalesce(string_agg(query, ' '), '') as text from pg_stat_activity`
    expect(statements[0]!.text).not.toContain(key)
    // What a log could hold, with the parameters of any statement, is what was sent.
    expect(proxy.sent()).toContain('insert into users')
    for (const secret of [key, Buffer.from(key).toString('hex'), Buffer.from(key).toString('base64')]) {
      expect(proxy.sent()).not.toContain(secret)
    }
  })
})
