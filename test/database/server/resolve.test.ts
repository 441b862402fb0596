import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { locationOf, resolveServer } from '../../../src/database/server/resolve.ts'

let home: string
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'rmbg-libpq-'))
  await writeFile(
    join(home, '.pg_service.conf'),
    '# a comment\n[photos]\nhost=db.example\npassword=a;b#c\\d\nsslmode=require\n\n[shop.eu]\nhost=eu.example\nport=6432\n[bad]\nhots=x\n',
  )
  await mkdir(join(home, 'with-root/.postgresql'), { recursive: true })
  await writeFile(join(home, 'with-root/.postgresql/root.crt'), 'not read before it is needed')
})
afterAll(() => rm(home, { recursive: true }))

const resolve = (url: string, env: NodeJS.ProcessEnv = {}, folder = home) => resolveServer(url, env, folder)

describe('where the server is', () => {
  const me = userInfo().username
  it.each<[url: string, env: Record<string, string>, location: string]>([
    ['postgres://anna:pw@db.example/shop', {}, 'postgres://anna@db.example/shop'],
    ['postgresql://anna@db.example:5433/shop', {}, 'postgres://anna@db.example:5433/shop'],
    ['POSTGRES://anna@DB.example/shop', {}, 'postgres://anna@DB.example/shop'],
    ['postgres://anna@db.example', {}, 'postgres://anna@db.example/anna'],
    ['postgres://db.example/', {}, `postgres://${me}@db.example/${me}`],
    ['postgres://anna@[2001:db8::1]:5433/shop', {}, 'postgres://anna@[2001:db8::1]:5433/shop'],
    ['postgres://anna@[::1]/shop', {}, 'postgres://anna@[::1]/shop'],
    ['postgres://anna@a:1,b:2,[::1]/shop', {}, 'postgres://anna@a:1,b:2,[::1]/shop'],
    ['postgres://anna@a,b/shop', { PGPORT: '6432' }, 'postgres://anna@a:6432,b:6432/shop'],
    ['postgres://anna@/shop?host=/run/pg', {}, 'postgres://anna@/shop?host=/run/pg'],
    ['postgres://anna@%2Frun%2Fpg:5433/shop', {}, 'postgres://anna@/shop?host=/run/pg:5433'],
    ['postgres:///shop?host=db.example&user=anna', {}, 'postgres://anna@db.example/shop'],
    ['postgres://anna@h/shop?host=/run/pg', {}, 'postgres://anna@/shop?host=/run/pg'],
    ['postgres://anna@:6432/shop', { PGHOST: 'h' }, 'postgres://anna@h:6432/shop'],
    ['postgres://', { PGHOST: 'h', PGUSER: 'anna', PGDATABASE: 'shop' }, 'postgres://anna@h/shop'],
    [
      'postgres://anna@h/shop',
      { PGHOST: 'other', PGUSER: 'berta', PGDATABASE: 'x' },
      'postgres://anna@h/shop',
    ],
    ['postgres://anna@h/shop?dbname=other', {}, 'postgres://anna@h/other'],
    ['postgres://anna@/shop', { PGSERVICE: 'shop.eu', PGPORT: '1' }, 'postgres://anna@eu.example:6432/shop'],
    ['postgres://anna@h/shop?service=shop.eu', {}, 'postgres://anna@h:6432/shop'],
    ['postgres://anna@h/a%2Fb%25', {}, 'postgres://anna@h/a%2Fb%25'],
    ['postgres://an%40na@h/shop', {}, 'postgres://an%40na@h/shop'],
    ['postgres://anna@h/shop?hostaddr=10.0.0.1', {}, 'postgres://anna@h/shop'],
    ['postgres://anna@/shop?hostaddr=10.0.0.1', {}, 'postgres://anna@10.0.0.1/shop'],
  ])('%s with %o', (url, env, location) => {
    expect(locationOf(resolve(url, env))).toBe(location)
  })

  it('with hostaddr, is connected to at the address, and known by the name', () => {
    const { hosts } = resolve('postgres://h1:1,h2:2/x?hostaddr=10.0.0.1,10.0.0.2')
    expect(hosts.map(({ name, address, port }) => [name, address, port])).toEqual([
      ['h1', '10.0.0.1', 1],
      ['h2', '10.0.0.2', 2],
    ])
  })

  it('in any order with load_balance_hosts', () => {
    const { hosts } = resolve('postgres://a,b,c/x?load_balance_hosts=random')
    expect(hosts.map(({ name }) => name).sort()).toEqual(['a', 'b', 'c'])
  })
})

describe('the password', () => {
  it.each<[url: string, env: Record<string, string>, password: string | undefined]>([
    ['postgres://u:p%40ss%2Fword%3F@h/x', {}, 'p@ss/word?'],
    ['postgres://u:p@ss@h/x', {}, 'p@ss'],
    ['postgres://u:p?a#b@h/x', {}, 'p?a#b'],
    ['postgres://u@h/x?password=a+b', {}, 'a+b'],
    ['postgres://u@h/x', { PGPASSWORD: 'env' }, 'env'],
    ['postgres://u:url@h/x', { PGPASSWORD: 'env' }, 'url'],
    ['postgres://u@/x?service=photos', {}, 'a;b#c\\d'],
    ['postgres://u@h/x', {}, undefined],
  ])('of %s with %o', (url, env, password) => {
    expect(resolve(url, env).password).toBe(password)
  })
})

describe('TLS', () => {
  const root = () => join(home, 'with-root')
  it.each<[query: string, env: Record<string, string>, use: string, check: string]>([
    ['', {}, 'preferred', 'nothing'],
    ['?sslmode=disable', {}, 'never', 'nothing'],
    ['?sslmode=allow', {}, 'avoided', 'nothing'],
    ['?sslmode=prefer', {}, 'preferred', 'nothing'],
    ['?sslmode=require', {}, 'required', 'nothing'],
    ['?sslmode=verify-ca', {}, 'required', 'chain'],
    ['?sslmode=verify-full', {}, 'required', 'name'],
    ['?sslmode=no-verify', {}, 'required', 'nothing'],
    ['?ssl=true', {}, 'required', 'nothing'],
    ['?ssl=false', {}, 'never', 'nothing'],
    ['?sslrootcert=system', {}, 'required', 'name'],
    ['', { PGSSLMODE: 'verify-full' }, 'required', 'name'],
    ['?sslmode=disable', { PGSSLMODE: 'verify-full' }, 'never', 'nothing'],
    ['?service=photos', {}, 'required', 'nothing'],
  ])('%s with %o', (query, env, use, check) => {
    expect(resolve(`postgres://u@h/x${query}`, env).tls).toMatchObject({ use, check })
  })

  it('checks the authority with require where libpq has a file of them, but not with no-verify', () => {
    expect(resolve('postgres://u@h/x?sslmode=require', {}, root()).tls.check).toBe('chain')
    expect(resolve('postgres://u@h/x?sslmode=no-verify', {}, root()).tls.check).toBe('nothing')
  })
})

describe('what else a URL says', () => {
  it.each<[query: string, part: object]>([
    ['pgbouncer=true&connection_limit=1', { prepare: false, maxConnections: 1 }],
    ['prepare=false', { prepare: false }],
    ['connect_timeout=3', { connectTimeoutMs: 3000 }],
    ['keepalives=0', { keepAliveSeconds: 0 }],
    ['target_session_attrs=primary', { wish: 'primary' }],
    [
      'channel_binding=disable&gssencmode=prefer&client_encoding=utf-8&uselibpqcompat=true&supa=x',
      { wish: 'any' },
    ],
  ])('%s', (query, part) => {
    expect(resolve(`postgres://u@h/x?${query}`)).toMatchObject(part)
  })

  it.each<[query: string, env: Record<string, string>, session: object]>([
    ['', {}, { application_name: 'rmbg', DateStyle: 'ISO', standard_conforming_strings: 'on' }],
    ['?schema=A"b', {}, { search_path: '"A""b"' }],
    ['?search_path=a,b', {}, { search_path: 'a,b' }],
    ['?options=-c%20statement_timeout%3D5s', {}, { options: '-c statement_timeout=5s' }],
    [
      '',
      { PGOPTIONS: '-c a.b=1', PGAPPNAME: 'nightly' },
      { options: '-c a.b=1', application_name: 'nightly' },
    ],
  ])('to the session: %s with %o', (query, env, session) => {
    expect(resolve(`postgres://u@h/x${query}`, env).session).toMatchObject(session)
  })
})

describe('what cannot be used is told in a sentence', () => {
  it.each<[url: string, env: Record<string, string>, sentence: string | RegExp]>([
    [
      'postgres://u@h/x?sslmod=require&colour=red',
      {},
      'sslmod in DATABASE_URL, colour: these parameters are not known.',
    ],
    ['postgres://u@h/x?pool_timeout=3', {}, 'pool_timeout in DATABASE_URL: this parameter is not known.'],
    ['postgres://u@h/x?sslmode=strict', {}, /^sslmode in DATABASE_URL: expected one of "disable"\|"allow"/],
    ['postgres://u@h/x', { PGSSLMODE: 'strict' }, /^PGSSLMODE: expected one of/],
    [
      'postgres://u@h/x?channel_binding=require',
      {},
      /^channel_binding in DATABASE_URL: channel binding cannot be required/,
    ],
    ['postgres://u@h/x?gssencmode=require', {}, 'gssencmode in DATABASE_URL: GSSAPI is not spoken here.'],
    ['postgres://u@h/x?client_encoding=latin1', {}, /this program speaks UTF8/],
    ['postgres://u@h/x?service=none', {}, /^There is no database service "none" in .*\.pg_service\.conf or /],
    [
      'postgres://u@h/x',
      { PGSERVICE: 'bad' },
      /^hots in .*\.pg_service\.conf: this parameter is not known\.$/,
    ],
    ['postgres://u@h/x?sslmode=require&sslrootcert=system', {}, /needs sslmode=verify-full/],
    ['postgres://u@h/x?sslnegotiation=direct', {}, /needs sslmode=require or stricter/],
    [
      'postgres://u@h/x?sslmode=verify-ca&sslrootcert=/none.crt',
      {},
      'The file /none.crt of sslrootcert is not there.',
    ],
    ['postgres://u@h1,h2/x?port=1,2,3', {}, /names 2 hosts and 3 ports/],
    ['postgres://u@h1,h2/x?hostaddr=10.0.0.1', {}, /names 2 hosts and 1 addresses/],
    ['postgres://u@h/x?hostaddr=localhost', {}, /hostaddr .* is not an IP address/],
    ['postgres://u@h/x?port=70000', {}, /port .* from 1 to 65535/],
  ])('%s with %o', (url, env, sentence) => {
    expect(() => resolve(url, env)).toThrow(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        message: typeof sentence === 'string' ? sentence : expect.stringMatching(sentence),
      }),
    )
  })

  it.each([
    'mysql://u@h/x',
    'host=h dbname=x',
    'postgres:/h/x',
    'postgres://u:%zz@h/x',
    'postgres://u@[::bad/x',
    'postgres://u@h:port/x',
  ])('no URL of PostgreSQL: %s', (url) => {
    expect(() => resolve(url)).toThrow(
      expect.objectContaining({
        code: 'DATABASE_UNAVAILABLE',
        message: 'DATABASE_URL is not a PostgreSQL URL.',
      }),
    )
  })
})
