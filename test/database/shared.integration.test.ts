/** An embedded database that several processes use: one has it, and the others ask that one. */
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { openEmbedded } from '../../src/database/embedded.ts'
import { folderHolder } from '../../src/database/embedded-lock.ts'
import { withDatabase } from '../../src/database/errors.ts'
import { applyMigrations, shippedMigrations } from '../../src/database/migrate.ts'
import { startupMessage } from '../../src/database/pg-protocol.ts'
import { reserveConnection } from '../../src/database/session.ts'
import { temporaryFolder } from '../support/cli.ts'
import { copyEmbeddedDatabase } from '../support/embedded-database.ts'
import { line, startProcess } from './processes/process.ts'

type Opened = Awaited<ReturnType<typeof openEmbedded>>

let folder: string
/** Has the database. */
let first: Opened
/** Asks the first. Within one process they meet as two processes would. */
let second: Opened

async function freshFolder(): Promise<string> {
  const fresh = join(await temporaryFolder(), 'database')
  await copyEmbeddedDatabase(fresh)
  return fresh
}

async function openBoth(): Promise<void> {
  folder = await mkdtemp(join(tmpdir(), 'rmbg-shared-'))
  await copyEmbeddedDatabase(folder)
  first = await openEmbedded(folder)
  second = await openEmbedded(folder)
}

async function closeBoth(): Promise<void> {
  await second.close()
  await first.close()
  await rm(folder, { recursive: true })
  await rm(`${folder}.lock`, { recursive: true })
}

const names = async ({ sql }: Opened) =>
  (await sql`select name from tags order by name`).map(({ name }) => name)

describe('two sessions on the embedded database', () => {
  beforeAll(openBoth)
  afterEach(() => first.sql`delete from tags`)
  afterAll(closeBoth)

  it('see what the other one wrote', async () => {
    await first.sql`insert into tags (name) values ('of the first')`
    await second.sql`insert into tags (name) values ('of the second')`
    expect(await names(first)).toEqual(['of the first', 'of the second'])
    expect(await names(second)).toEqual(['of the first', 'of the second'])
  })

  it('wait for the end of a transaction of the other one', async () => {
    const session = await reserveConnection(second.sql)
    await session`begin`
    await session`insert into tags (name) values ('undone')`
    const waiting = names(first)
    await session`insert into tags (name) values ('undone as well')`
    await session`rollback`
    session.release()
    expect(await waiting).toEqual([])
  })

  it('get their own answers, prepared statements and errors, many at once', async () => {
    const ask = async ({ sql }: Opened, offset: number) => {
      const answers = await Promise.allSettled(
        [1, 0, 2, 0, 5].map((n) => sql`select ${offset}::int + 10 / ${n}::int as v`),
      )
      return answers.map((answer) =>
        answer.status === 'fulfilled' ? answer.value[0]?.v : answer.reason.code,
      )
    }
    const answers = await Promise.all(
      [first, second, first, second].map((opened, index) => ask(opened, index * 100)),
    )
    expect(answers).toEqual(
      [0, 100, 200, 300].map((offset) => [10 + offset, '22012', 5 + offset, '22012', 2 + offset]),
    )
  })

  it('carry answers of megabytes', async () => {
    const [row] = await second.sql`select repeat('x', 5000000) as text`
    expect(row!.text).toHaveLength(5_000_000)
  })

  it.each([
    `set statement_timeout = '1s'`,
    'listen changes',
    'create temporary table t (n int)',
    `select pg_advisory_lock(1)`,
    `select set_config('timezone', 'UTC', false)`,
    'copy tags from stdin',
  ])('refuse what would outlive a transaction: %s', async (statement) => {
    await expect(second.sql.unsafe(statement)).rejects.toMatchObject({
      code: '0A000',
      message: expect.stringContaining('nothing may outlive a transaction'),
    })
    expect(await second.sql`select 1 as one`).toEqual([{ one: 1 }])
  })
})

describe('the process that has the embedded database', () => {
  beforeEach(openBoth)
  afterEach(closeBoth)

  it('leaves it to the other one when it ends, which notices nothing', async () => {
    const insert = (n: number) =>
      withDatabase(() => second.sql`insert into tags (name) values (${`tag ${n}`}) on conflict do nothing`)
    const inserting = Array.from({ length: 50 }, (_, n) => insert(n))
    await inserting[0]
    await first.close()
    await Promise.all(inserting)
    expect(await names(second)).toHaveLength(50)
    expect((await folderHolder(folder))?.pid).toBe(process.pid)
    first = await openEmbedded(folder)
    expect(await names(first)).toHaveLength(50)
  })

  it('lets a transaction of the other one end before it ends', async () => {
    const session = await reserveConnection(second.sql)
    await session`begin`
    await session`insert into tags (name) values ('whole')`
    const closing = first.close()
    await session`insert into tags (name) values ('as well')`
    await session`commit`
    session.release()
    await closing
    expect(await withDatabase(() => second.sql`select name from tags`)).toHaveLength(2)
  })

  it('undoes what a client began that was killed, and forgets its statements', async () => {
    const client = startProcess('transaction.ts', [folder])
    expect(await line(client)).toBe('in a transaction')
    const waiting = names(first)
    await client.kill()
    expect(await waiting).toEqual([])
    const prepared =
      await first.sql`select name from pg_prepared_statements where statement like 'insert into tags%'`
    expect(prepared).toEqual([])
  })

  it('is replaced by one of its clients when it is killed; what it acknowledged is kept', async () => {
    const other = await freshFolder()
    const holder = startProcess('insert.ts', [other])
    expect(await line(holder)).toBe('open')
    const client = await openEmbedded(other)
    onTestFinished(() => client.close())
    await client.sql`insert into tags (name) values ('acknowledged')`
    let acknowledged = 0
    while (acknowledged < 5) acknowledged = Number(await line(holder))
    await holder.kill()
    const [numbers] = await withDatabase(() => client.sql`select count(*)::int as count from numbers`)
    expect(numbers!.count).toBeGreaterThanOrEqual(acknowledged)
    expect(await names(client)).toEqual(['acknowledged'])
    expect((await folderHolder(other))?.pid).toBe(process.pid)
    expect((await readdir(other)).filter((name) => name.endsWith('.sock'))).toHaveLength(1)
  })

  it('keeps a lock of the other one from being taken twice, also when it ends', async () => {
    const refused = { code: 'REFUSED', message: expect.stringContaining(`(process ${process.pid})`) }
    const held = await second.lock('prune')
    await expect(first.lock('prune')).rejects.toMatchObject(refused)
    await first.close()
    first = await openEmbedded(folder)
    await expect(first.lock('prune')).rejects.toMatchObject(refused)
    await held.release()
    await (await first.lock('prune')).release()
  })
})

describe('what needs the embedded database alone', () => {
  beforeEach(openBoth)
  afterEach(closeBoth)

  const locked = { code: 'DATABASE_LOCKED', message: expect.stringContaining('needs it alone') }

  it('is refused while others use it: a backup, a restore, a migration', async () => {
    const later = { name: '9999_later', sql: 'select 1', sha256: '0', transaction: true }
    const shipped = [...(await shippedMigrations()), later]
    for (const opened of [first, second]) {
      await expect(opened.openSnapshot()).rejects.toMatchObject(locked)
      await expect(opened.useAlone()).rejects.toMatchObject(locked)
      await expect(applyMigrations(opened, { shipped })).rejects.toMatchObject(locked)
    }
  })

  it('keeps others out from then on', async () => {
    await second.close()
    await first.useAlone()
    await expect(openEmbedded(folder)).rejects.toMatchObject({
      code: 'DATABASE_LOCKED',
      message: expect.stringContaining(`process ${process.pid}`),
    })
  })
})

describe('the socket of an embedded database', () => {
  beforeEach(openBoth)
  afterEach(closeBoth)

  const modeOf = async (path: string) => (await stat(path)).mode & 0o777
  const addressIn = async (place: string) => (await folderHolder(place))!.server!

  it('is in the database’s folder, and private', async () => {
    const { path } = await addressIn(folder)
    expect(dirname(path)).toBe(folder)
    expect(await modeOf(path)).toBe(0o600)
    for (const lock of await readdir(`${folder}.lock`)) {
      expect(await modeOf(join(`${folder}.lock`, lock))).toBe(0o600)
    }
    await second.close()
    await first.close()
    expect((await readdir(folder)).filter((name) => name.endsWith('.sock'))).toEqual([])
  })

  it('lets nobody in without the password that only its user can read', async () => {
    const socket = createConnection((await addressIn(folder)).path)
    const said: Buffer[] = []
    socket.on('data', (bytes) => {
      said.push(bytes)
      if (said.length === 1) socket.write(Buffer.from('p\0\0\0\x0aguess\0', 'latin1'))
    })
    socket.write(startupMessage({ user: 'postgres' }))
    await new Promise((resolve) => socket.once('close', resolve))
    expect(Buffer.concat(said).toString()).toContain('28P01')
    expect(Buffer.concat(said).toString()).not.toContain('server_version')
  })

  it('is elsewhere, in a folder as private, where the path would be too long', async () => {
    const deep = join(await temporaryFolder(), 'x'.repeat(100), 'database')
    await copyEmbeddedDatabase(deep)
    const holder = startProcess('insert.ts', [deep])
    expect(await line(holder)).toBe('open')
    const { path } = await addressIn(deep)
    expect(Buffer.byteLength(path)).toBeLessThan(104)
    expect(await modeOf(dirname(path))).toBe(0o700)
    expect(await readFile(join(deep, 'socket-elsewhere'), 'utf8')).toBe(path)
    const client = await openEmbedded(deep)
    expect(await names(client)).toEqual([])
    // A killed holder leaves it, and the next one removes it.
    await holder.kill()
    expect(await names(client).catch(() => names(client))).toEqual([])
    await expect(stat(dirname(path))).rejects.toMatchObject({ code: 'ENOENT' })
    await client.close()
    expect(await readdir(deep)).not.toContain(basename(path))
  })
})
