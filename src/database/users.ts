import type postgres from 'postgres'
import { RmbgError } from '../errors.ts'
import type { EmailCipher } from './email-cipher.ts'
import { withDatabase } from './errors.ts'
import { one } from './rows.ts'
import { utc } from './sql-time.ts'

/** Notes that a user was active now, and creates the user if new. A new user's name is the id. */
export async function upsertUser(sql: postgres.Sql, userId: string): Promise<void> {
  await withDatabase(
    () => sql`
      insert into users (user_id, username, last_login) values (${userId}, ${userId}, now())
      on conflict (user_id) do update set last_login = excluded.last_login`,
  )
}

export interface ListedUser {
  userId: string
  username: string
  /** Null: there is none, or it is encrypted and the key is not at hand. */
  email: string | null
  emailEncrypted: boolean
  createdAt: string
  lastLogin: string | null
}

const columns = (sql: postgres.Sql) => sql`
  user_id as "userId", username, email, encode(email_encrypted, 'hex') as encrypted,
  ${utc(sql, sql`created_at`)} as "createdAt", ${utc(sql, sql`last_login`)} as "lastLogin"`

async function listed(rows: readonly postgres.Row[], cipher: EmailCipher): Promise<ListedUser[]> {
  return Promise.all(
    rows.map(async ({ encrypted, email, userId, username, createdAt, lastLogin }) => {
      const opened = encrypted === null ? email : await cipher.open(Buffer.from(encrypted, 'hex'))
      const emailEncrypted = encrypted !== null
      return { userId, username, email: opened ?? null, emailEncrypted, createdAt, lastLogin }
    }),
  )
}

/** Users by id, page by page: those behind `after`. */
export async function listUsers(
  sql: postgres.Sql,
  cipher: EmailCipher,
  { limit, after }: { limit: number; after: string },
): Promise<ListedUser[]> {
  const rows = await withDatabase(
    () => sql`select ${columns(sql)} from users where user_id > ${after} order by user_id limit ${limit}`,
  )
  return listed(rows, cipher)
}

/** The user of an address, in capitals or not, whether it is stored readable or encrypted with this key. */
export async function findUserByEmail(
  sql: postgres.Sql,
  cipher: EmailCipher,
  email: string,
): Promise<ListedUser[]> {
  const digest = cipher.digest(email)?.toString('hex') ?? null
  const rows = await withDatabase(
    () => sql`
      select ${columns(sql)} from users
      where lower(email) = lower(${email.trim()}) or email_digest = decode(${digest}, 'hex')`,
  )
  return listed(rows, cipher)
}

/**
 * Sets the name or the address of a user, and creates the user if new. What is not given stays.
 *
 * @param change.email '' removes it
 * @throws RmbgError USAGE when id, name or address cannot be used, or the address belongs to somebody else
 */
export async function setUser(
  sql: postgres.Sql,
  cipher: EmailCipher,
  userId: string,
  change: { username?: string; email?: string },
): Promise<ListedUser> {
  const { username, email } = change
  assertVisible('The id of a user', userId, 64)
  if (username !== undefined) assertVisible('A name', username, 128)
  const stored = await emailColumns(cipher, email)
  if (email) {
    // An address that is stored readable has no digest to collide with.
    const [other] = (await findUserByEmail(sql, cipher, email)).filter((user) => user.userId !== userId)
    if (other) throw taken(email, other.userId)
  }
  const encrypted = stored?.encrypted?.toString('hex') ?? null
  const digest = stored?.digest?.toString('hex') ?? null
  const emailChange = stored
    ? sql`, email = ${stored.email}, email_encrypted = decode(${encrypted}, 'hex'), email_digest = decode(${digest}, 'hex')`
    : sql``
  try {
    const rows = await withDatabase(
      () => sql`
        insert into users (user_id, username, email, email_encrypted, email_digest)
        values (${userId}, ${username ?? userId}, ${stored?.email ?? null}, decode(${encrypted}, 'hex'),
          decode(${digest}, 'hex'))
        on conflict (user_id) do update
        set username = coalesce(${username ?? null}, users.username) ${emailChange}
        returning ${columns(sql)}`,
    )
    return one(await listed(rows, cipher))
  } catch (error) {
    const { cause } = error as { cause?: { code?: string } }
    if (email && cause?.code === '23505') throw taken(email, undefined)
    throw error
  }
}

/** @returns undefined to leave the address as it is */
async function emailColumns(cipher: EmailCipher, email: string | undefined) {
  if (email === undefined) return undefined
  return email === '' ? { email: null, encrypted: null, digest: null } : cipher.seal(email)
}

function assertVisible(what: string, text: string, limit: number): void {
  if (text.trim() !== '' && text.length <= limit && !/\p{Cc}/u.test(text)) return
  throw new RmbgError('USAGE', `${what} has 1 to ${limit} visible characters.`)
}

function taken(email: string, userId: string | undefined): RmbgError {
  const whose = userId === undefined ? 'another user' : `the user ${JSON.stringify(userId)}`
  return new RmbgError('USAGE', `The address ${email} belongs to ${whose}.`, {
    hint: 'Remove it from that user first: rmbg user set USER --email "".',
  })
}
