/** Every way to a server that libpq knows, on servers of this test's own: TLS, logins, sockets, several hosts. */
import { execFile } from 'node:child_process'
import { chmod, copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { connectServer } from '../../src/database/connect.ts'
import { setDatabasePatience, withDatabase } from '../../src/database/errors.ts'
import { libpqEnvironment } from '../../src/database/server/libpq-environment.ts'
import { resolveServer } from '../../src/database/server/resolve.ts'
import { patience } from '../../src/system/patience.ts'
import {
  copyCluster,
  freePort,
  giveCertificate,
  makeCertificates,
  makeCluster,
  type PrivateServer,
  startCluster,
} from '../support/postgres-server.ts'
import { describeWith } from '../support/servers.ts'

const settings = `
hot_standby = on
ssl = on
ssl_ca_file = 'root.crt'
password_encryption = 'scram-sha-256'`

/** Roles are named by how they must come. */
const hba = `
local   all peer_only  trust
local   all all        trust
hostssl all certified  all cert
hostssl all encrypted  all trust
hostnossl all plain    all trust
host    all secret     all scram-sha-256
host    all old_secret all md5
host    all postgres   all trust
host    all reader     all trust
`

let work: string
let main: PrivateServer
let standby: PrivateServer
let withoutTls: PrivateServer
/** Nobody listens there. */
let nobody: number
/** For URLs: values that are known only when the servers run. */
const filled = (url: string): string =>
  url
    .replaceAll('MAIN', String(main.port))
    .replaceAll('STANDBY', String(standby.port))
    .replaceAll('PLAIN', String(withoutTls.port))
    .replaceAll('NOBODY', String(nobody))
    .replaceAll('WORK', work)
    .replaceAll('SOCKET', encodeURIComponent(main.folder))
    .replaceAll('FOLDER', main.folder)

describeWith('RMBG_TEST_DATABASE_URL')('a way to a server', () => {
  beforeAll(async () => {
    work = await mkdtemp(join(tmpdir(), 'rmbg-server-'))
    await chmod(work, 0o755)
    await makeCertificates(work, {
      server: { name: 'db01', alternatives: 'DNS:db01,IP:127.0.0.1' },
      client: { name: 'certified' },
    })
    const original = join(work, 'original')
    await makeCluster(original, settings, hba)
    await giveCertificate(original, work, 'server')
    await copyFile(join(work, 'ca.crt'), join(original, 'data/root.crt'))
    const lock = ['ec', '-aes256', '-in', 'client.key', '-out', 'locked.key', '-passout', 'pass:a+b']
    await promisify(execFile)('openssl', lock, { cwd: work })
    main = await startCluster(original)
    const admin = connectServer(`postgres://postgres@127.0.0.1:${main.port}/postgres`)
    for (const role of ['peer_only', 'certified', 'encrypted', 'plain', 'reader'])
      await admin.sql.unsafe(`create role ${role} login`)
    await admin.sql.unsafe(`
      create role secret login password 'open: sesame';
      set password_encryption = 'md5';
      create role old_secret login password 'open';
      alter role reader set default_transaction_read_only = on;
      alter role reader set datestyle = 'German';
      alter role reader set standard_conforming_strings = off;
      create schema "Of, mine" authorization reader;`)
    await admin.sql.unsafe('create database "a/b %"')
    await admin.sql.unsafe('checkpoint')
    await admin.close()
    await main.stop()
    await copyCluster(original, join(work, 'standby'), 'standby')
    await copyCluster(original, join(work, 'plain'), 'primary')
    await writeFile(join(work, 'plain/data/postgresql.auto.conf'), 'fsync = off\nshared_buffers = 1MB\n')
    main = await startCluster(original)
    standby = await startCluster(join(work, 'standby'))
    withoutTls = await startCluster(join(work, 'plain'))
    nobody = await freePort()
    await writeFile(join(work, 'pgpass'), filled('127.0.0.1:MAIN:*:secret:open\\: sesame\n'), { mode: 0o600 })
    await writeFile(join(work, 'open-pgpass'), '*:*:*:*:open\\: sesame\n', { mode: 0o644 })
    await writeFile(
      join(work, 'services.conf'),
      filled(
        '# ours\n[photos.eu]\nhost=127.0.0.1\nport=MAIN\nuser=secret\npassword=open: sesame\ndbname=postgres\n',
      ),
    )
    setDatabasePatience(patience({ forMs: 0 }))
  }, 120_000)
  afterAll(async () => {
    setDatabasePatience(patience({ forMs: 60_000 }))
    await Promise.allSettled([main?.stop(), standby?.stop(), withoutTls?.stop()])
    await rm(work, { recursive: true, force: true })
  })
  afterEach(() => vi.unstubAllEnvs())

  describe('is found', () => {
    it.each<[way: string, url: string, env: Record<string, string>, reached: object]>([
      [
        'with TLS where the server speaks it',
        'postgres://postgres@127.0.0.1:MAIN/postgres',
        {},
        { tls: true },
      ],
      ['without, where it does not', 'postgres://postgres@127.0.0.1:PLAIN/postgres', {}, { tls: false }],
      [
        'without, if asked',
        'postgres://postgres@127.0.0.1:MAIN/postgres?sslmode=disable',
        {},
        { tls: false },
      ],
      [
        'by PGSSLMODE',
        'postgres://postgres@127.0.0.1:MAIN/postgres',
        { PGSSLMODE: 'disable' },
        { tls: false },
      ],
      [
        'plain first with allow',
        'postgres://plain@127.0.0.1:MAIN/postgres?sslmode=allow',
        {},
        { tls: false },
      ],
      ['then in TLS', 'postgres://encrypted@127.0.0.1:MAIN/postgres?sslmode=allow', {}, { tls: true }],
      [
        'in TLS with require',
        'postgres://postgres@localhost:MAIN/postgres?sslmode=require',
        {},
        { tls: true },
      ],
      ['with ssl=true', 'postgres://postgres@127.0.0.1:MAIN/postgres?ssl=true', {}, { tls: true }],
      [
        'by its address in the certificate',
        'postgres://postgres@127.0.0.1:MAIN/postgres?sslmode=verify-full&sslrootcert=WORK/ca.crt',
        {},
        { tls: true },
      ],
      [
        'by its name in the certificate, at another address',
        'postgres://postgres@db01:MAIN/postgres?sslmode=verify-full&hostaddr=127.0.0.1',
        { PGSSLROOTCERT: 'WORK/ca.crt' },
        { tls: true },
      ],
      [
        'by its authority alone with verify-ca',
        'postgres://postgres@localhost:MAIN/postgres?sslmode=verify-ca&sslrootcert=WORK/ca.crt',
        {},
        { tls: true },
      ],
      [
        'with a certificate of the client',
        'postgres://certified@127.0.0.1:MAIN/postgres?sslcert=WORK/client.crt&sslkey=WORK/client.key&sslmode=require',
        {},
        { user: 'certified', tls: true },
      ],
      [
        'with a key that has a password',
        'postgres://certified@127.0.0.1:MAIN/postgres?sslcert=WORK/client.crt&sslkey=WORK/locked.key&sslpassword=a+b',
        {},
        { user: 'certified', tls: true },
      ],
      ['by IPv6', 'postgresql://postgres@[::1]:MAIN/postgres', {}, { tls: true }],
      [
        'by the folder of its socket',
        'postgres://peer_only@/postgres?host=SOCKET&port=MAIN',
        {},
        { user: 'peer_only' },
      ],
      ['by that, encoded in the host', 'postgres://peer_only@SOCKET:MAIN/postgres', {}, { tls: false }],
      [
        'by PGHOST',
        'postgres:///postgres?user=peer_only',
        { PGHOST: 'FOLDER', PGPORT: 'MAIN' },
        { user: 'peer_only' },
      ],
      [
        'by variables alone',
        'postgres://',
        {
          PGHOST: '127.0.0.1',
          PGPORT: 'MAIN',
          PGUSER: 'secret',
          PGPASSWORD: 'open: sesame',
          PGDATABASE: 'postgres',
        },
        { user: 'secret', database: 'postgres' },
      ],
      [
        'with a password, encoded',
        'postgres://secret:open%3A%20sesame@127.0.0.1:MAIN/postgres',
        {},
        { user: 'secret' },
      ],
      [
        'with an old password',
        'postgres://old_secret:open@127.0.0.1:MAIN/postgres',
        {},
        { user: 'old_secret' },
      ],
      [
        'with the password file',
        'postgres://secret@127.0.0.1:MAIN/postgres',
        { PGPASSFILE: 'WORK/pgpass' },
        { user: 'secret' },
      ],
      [
        'with passfile',
        'postgres://secret@127.0.0.1:MAIN/postgres?passfile=WORK/pgpass',
        {},
        { user: 'secret' },
      ],
      [
        'by a service',
        'postgres:///?service=photos.eu',
        { PGSERVICEFILE: 'WORK/services.conf' },
        { user: 'secret', database: 'postgres' },
      ],
      [
        'by a service of which the URL says another user',
        'postgres://postgres@',
        { PGSERVICEFILE: 'WORK/services.conf', PGSERVICE: 'photos.eu', PGUSER: 'plain' },
        { user: 'postgres' },
      ],
      [
        'with any name of its database',
        'postgres://postgres@127.0.0.1:MAIN/a%2Fb%20%25',
        {},
        { database: 'a/b %' },
      ],
      [
        'with a schema',
        'postgres://reader@127.0.0.1:MAIN/postgres?schema=Of,%20mine&application_name=nightly',
        {},
        { path: '"Of, mine"', application: 'nightly' },
      ],
      [
        'with options',
        'postgres://postgres@127.0.0.1:MAIN/postgres?options=-c%20search_path%3Da,b',
        {},
        { path: 'a,b' },
      ],
      [
        'whatever styles the role has set',
        'postgres://reader@127.0.0.1:MAIN/postgres',
        {},
        { today: expect.stringMatching(/^\d{4}-\d\d-\d\d$/), strings: 'on' },
      ],
      [
        'at the next host',
        'postgres://postgres@127.0.0.1:NOBODY,127.0.0.1:MAIN/postgres',
        {},
        { port: 'MAIN' },
      ],
      [
        'at the primary',
        'postgres://postgres@127.0.0.1:STANDBY,127.0.0.1:MAIN/postgres?target_session_attrs=read-write',
        {},
        { port: 'MAIN' },
      ],
      [
        'at the standby',
        'postgres://postgres@127.0.0.1:MAIN,127.0.0.1:STANDBY/postgres',
        { PGTARGETSESSIONATTRS: 'standby' },
        { port: 'STANDBY' },
      ],
      [
        'at the first host, which any allows',
        'postgres://postgres@127.0.0.1:STANDBY,127.0.0.1:MAIN/postgres',
        { PGTARGETSESSIONATTRS: 'any' },
        { port: 'STANDBY' },
      ],
      [
        'at a primary, where a standby is only preferred',
        'postgres://postgres@127.0.0.1:MAIN,127.0.0.1:NOBODY/postgres?target_session_attrs=prefer-standby',
        {},
        { port: 'MAIN' },
      ],
      [
        'at a host that only reads for this role',
        'postgres://reader@127.0.0.1:MAIN/postgres?target_session_attrs=read-only&channel_binding=prefer',
        {},
        { port: 'MAIN' },
      ],
    ])('%s', async (_, url, env, reached) => {
      expect(await reach(url, env)).toMatchObject(
        Object.fromEntries(
          Object.entries(reached).map(([key, value]) => [
            key,
            key === 'port' ? Number(filled(value)) : value,
          ]),
        ),
      )
    })
  })

  describe('is refused', () => {
    const full = 'sslmode=verify-full&sslrootcert=WORK/ca.crt'
    it.each<[way: string, url: string, env: Record<string, string>, code: string, sentence: RegExp]>([
      [
        'where the name is not in the certificate',
        `postgres://postgres@localhost:MAIN/postgres?${full}`,
        {},
        'DATABASE_DENIED',
        /^The certificate of the database server at localhost:\d+ is not trusted: .*localhost/,
      ],
      [
        'where the address is not in the certificate',
        `postgres://postgres@[::1]:MAIN/postgres?${full}`,
        {},
        'DATABASE_DENIED',
        /is not trusted: .*IP: ::1/,
      ],
      [
        'where another authority made the certificate',
        'postgres://postgres@127.0.0.1:MAIN/postgres?sslmode=verify-ca&sslrootcert=WORK/other-ca.crt',
        {},
        'DATABASE_DENIED',
        /is not trusted/,
      ],
      [
        'with require and a file of authorities, as verify-ca',
        'postgres://postgres@127.0.0.1:MAIN/postgres?sslmode=require&sslrootcert=WORK/other-ca.crt',
        {},
        'DATABASE_DENIED',
        /is not trusted/,
      ],
      [
        'with verify-full and only the public authorities',
        'postgres://postgres@127.0.0.1:MAIN/postgres?sslmode=verify-full',
        {},
        'DATABASE_DENIED',
        /is not trusted/,
      ],
      [
        'where TLS is required and the server has none',
        'postgres://postgres@127.0.0.1:PLAIN/postgres?sslmode=require',
        {},
        'DATABASE_DENIED',
        /^The database server at 127\.0\.0\.1:\d+ speaks no TLS, and sslmode asks for it\.$/,
      ],
      [
        'where allow meets a server without TLS: what it said first counts',
        'postgres://encrypted@127.0.0.1:PLAIN/postgres?sslmode=allow',
        {},
        'DATABASE_DENIED',
        /refused the login: no pg_hba.conf entry/,
      ],
      [
        'with a wrong password',
        'postgres://secret:wrong@127.0.0.1:MAIN/postgres',
        {},
        'DATABASE_DENIED',
        /refused the login: password authentication failed/,
      ],
      [
        'at the first of several hosts that has another password: no other one is asked',
        'postgres://secret:wrong@127.0.0.1:MAIN,127.0.0.1:PLAIN/postgres',
        {},
        'DATABASE_DENIED',
        /password authentication failed/,
      ],
      [
        'with a password file that others can read',
        'postgres://secret@127.0.0.1:MAIN/postgres?passfile=WORK/open-pgpass',
        {},
        'CONFIG_INVALID',
        /open-pgpass can be read by others/,
      ],
      [
        'where all hosts are down',
        'postgres://postgres@127.0.0.1:NOBODY,localhost:NOBODY/postgres',
        {},
        'DATABASE_UNAVAILABLE',
        /^None of the database servers is up: 127\.0\.0\.1:\d+ cannot be reached \(ECONNREFUSED\), localhost:\d+ cannot/,
      ],
      [
        'where none is what is asked for',
        'postgres://postgres@127.0.0.1:STANDBY,127.0.0.1:NOBODY/postgres?target_session_attrs=primary',
        {},
        'DATABASE_UNAVAILABLE',
        /^None of the database servers is a primary: 127\.0\.0\.1:\d+ is a standby, 127\.0\.0\.1:\d+ cannot be reached/,
      ],
      [
        'at a socket that is not there',
        'postgres:///postgres?host=WORK',
        {},
        'DATABASE_UNAVAILABLE',
        /^The database server at .*\.s\.PGSQL\.5432 cannot be reached/,
      ],
      [
        'with options that are none',
        'postgres://postgres@127.0.0.1:MAIN/postgres?options=-c%20no_such%3D1',
        {},
        'DATABASE_DENIED',
        /refused a setting of the connection: unrecognized configuration parameter "no_such"/,
      ],
    ])('%s', async (_, url, env, code, sentence) => {
      await expect(reach(url, env)).rejects.toMatchObject({ code, message: expect.stringMatching(sentence) })
    })
  })

  it('is found again at another host when the server stops', async () => {
    setDatabasePatience(patience({ forMs: 10_000 }))
    const hosts = filled('127.0.0.1:PLAIN,127.0.0.1:MAIN')
    const { sql, close } = connectServer(`postgres://postgres@${hosts}/postgres?target_session_attrs=primary`)
    onTestFinished(close)
    const port = () => withDatabase(() => sql<{ port: number }[]>`select inet_server_port() as port`)
    expect(await port()).toEqual([{ port: withoutTls.port }])
    await withoutTls.stop()
    expect(await port()).toEqual([{ port: main.port }])
    withoutTls = await startCluster(withoutTls.folder)
    setDatabasePatience(patience({ forMs: 0 }))
  })

  it.each([
    'postgres://certified@127.0.0.1:MAIN/postgres?sslcert=WORK/client.crt&sslkey=WORK/locked.key&sslpassword=a+b',
    'postgres://postgres@db01:MAIN/postgres?sslmode=verify-full&hostaddr=127.0.0.1&sslrootcert=WORK/ca.crt',
    'postgres://secret@127.0.0.1:MAIN/postgres?passfile=WORK/pgpass&schema=Of,%20mine',
    'postgres://peer_only@SOCKET:MAIN/a%2Fb%20%25',
    'postgres://postgres@127.0.0.1:NOBODY,127.0.0.1:MAIN/postgres?sslmode=disable',
  ])("is the same for PostgreSQL's own programs: %s", async (url) => {
    const { env, remove } = await libpqEnvironment(resolveServer(filled(url)))
    const { stdout } = await promisify(execFile)(
      'psql',
      ['-XAtc', `select row_to_json(x) from (${question}) x`],
      {
        env,
      },
    ).finally(remove)
    const ours = (await reach(url, {})) as Record<string, unknown>
    expect(JSON.parse(stdout)).toMatchObject({ ...ours, application: 'rmbg', today: expect.any(String) })
  })
})

const question = `
  select current_user::text as "user", current_database()::text as database, inet_server_port() as port,
    (select ssl from pg_stat_ssl where pid = pg_backend_pid()) as tls,
    current_setting('search_path') as path, current_setting('application_name') as application,
    current_date::text as today, current_setting('standard_conforming_strings') as strings`

async function reach(url: string, env: Record<string, string>): Promise<unknown> {
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, filled(value))
  const { sql, close } = connectServer(filled(url))
  try {
    return (await withDatabase(() => sql.unsafe(question)))[0]
  } finally {
    await close()
  }
}
