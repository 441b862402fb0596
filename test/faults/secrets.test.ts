/** Passwords, keys and tokens stay where they were given: not in output, logs, rows, backups, files or reports. */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createClient } from '@redis/client'
import postgres from 'postgres'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { findTool } from '../../src/database/pg-tools.ts'
import { rmbg, temporaryFolder } from '../support/cli.ts'
import { describeServers, freshInstallation, type Installation } from '../support/fixture-installation.ts'
import { picture } from '../support/images.ts'
import { redisUrl } from '../support/servers.ts'

/** Found by its own words wherever it turns up. */
const secret = (name: string) => `SECRET${name}${randomBytes(6).toString('hex')}`
const secrets = {
  database: secret('database'),
  s3: secret('s3'),
  session: secret('session'),
  redis: secret('redis'),
  huggingFace: secret('hf'),
  encryption: secret('encryption'),
  proxy: secret('proxy'),
  file: secret('file'),
}
const shown: { args: string[]; text: string }[] = []

async function run(folder: string, args: string[], env: Record<string, string>) {
  const result = await rmbg(args, { cwd: folder, env: { RMBG_HOME: join(folder, '.home'), ...env } })
  shown.push({ args, text: result.stdout + result.stderr })
  return result
}

afterEach(() => {
  for (const { args, text } of shown.splice(0)) {
    for (const [name, value] of Object.entries(secrets)) {
      expect(text.includes(value), `rmbg ${args.join(' ')} shows the ${name} secret:\n${text}`).toBe(false)
    }
  }
})

describeServers('with secrets of every kind', () => {
  let installation: Installation
  let role: string
  let admin: postgres.Sql
  let env: Record<string, string>
  beforeAll(async () => {
    installation = await freshInstallation()
    secrets.s3 = process.env.AWS_SECRET_ACCESS_KEY!
    admin = postgres(installation.database.url, { max: 1, onnotice: () => {} })
    role = `rmbg_test_${randomBytes(6).toString('hex')}`
    await admin.unsafe(`create role ${role} superuser login password '${secrets.database}'`)
    const url = new URL(installation.database.url)
    Object.assign(url, { username: role, password: secrets.database })
    env = {
      ...installation.env,
      DATABASE_URL: url.href,
      HF_TOKEN: secrets.huggingFace,
      RMBG_ENCRYPTION_KEY: secrets.encryption,
      ...(redisUrl && { REDIS_URL: redisUrl }),
    }
    await mkdir(join(installation.folder, 'photos'))
    await writeFile(join(installation.folder, 'photos/cup.jpg'), await picture(1).jpeg().toBuffer())
    await writeFile(join(installation.folder, 'photos/broken.jpg'), 'no picture')
  })
  afterAll(async () => {
    await admin.unsafe(`drop owned by ${role}; drop role ${role}`).catch(() => {})
    await admin.end()
    await installation.close()
  })

  it.each<{ args: string[]; status: number; debug?: true }>([
    { args: ['migrate'], status: 0, debug: true },
    { args: ['process', 'photos', '--model', 'backdrop', '--verbose'], status: 3 },
    { args: ['process', 'photos', '--model', 'backdrop', '--verbose', '--force'], status: 3, debug: true },
    { args: ['process', 'photos', '--model', 'backdrop', '--json'], status: 3 },
    { args: ['user', 'set', 'anna', '--email', 'anna@example.com'], status: 0, debug: true },
    { args: ['user', 'list', '--json'], status: 0 },
    { args: ['query', '--urls', '--json'], status: 0, debug: true },
    { args: ['stats', '--html', 'report.html'], status: 0, debug: true },
    { args: ['health'], status: 10, debug: true },
    { args: ['backup', '--to', 'backups', '--objects', '--drill'], status: 0, debug: true },
    { args: ['backup', 'list', 'backups', '--json'], status: 0 },
    { args: ['restore', 'backups'], status: 2, debug: true },
    { args: ['prune', '--dry-run'], status: 0, debug: true },
    { args: ['bucket', '--dry-run', '--expire-after', '90'], status: 0, debug: true },
  ])('shows none of them: rmbg $args', async ({ args, status, debug }) => {
    const result = await run(installation.folder, args, { ...env, ...(debug && { DEBUG: '*' }) })
    // Health depends on the server and is of no interest here.
    if (!args.includes('health')) expect(result.status, result.stderr).toBe(status)
  })

  it('keeps them out of the database, the cache, the backups and every file it writes', async () => {
    const [{ version }] =
      (await admin`select current_setting('server_version_num')::int / 10000 as version`) as unknown as [
        { version: number },
      ]
    const kept: Record<string, string> = {}
    const { stdout } = await promisify(execFile)(
      await findTool('pg_dump', version),
      [installation.database.url],
      {
        maxBuffer: 2 ** 26,
      },
    )
    kept['the database'] = stdout
    expect(stdout).toContain('anna')
    for (const file of await readdir(installation.folder, { recursive: true, withFileTypes: true })) {
      const path = join(file.parentPath, file.name)
      if (file.isFile()) kept[path] = await readFile(path, 'latin1')
    }
    for (const key of await installation.bucket.keys()) kept[key] = key
    if (redisUrl) {
      const redis = createClient({ url: redisUrl })
      await redis.connect()
      for await (const keys of redis.scanIterator({ MATCH: 'rmbg:*' })) {
        for (const key of keys) kept[key] = `${key} ${await redis.get(key).catch(() => '')}`
      }
      await redis.close()
    }
    expect(Object.keys(kept).length).toBeGreaterThan(8)
    for (const [where, text] of Object.entries(kept)) {
      for (const [name, value] of Object.entries(secrets)) {
        expect(text.includes(value), `${where} holds the ${name} secret`).toBe(false)
      }
    }
  })

  it.each([
    ['S3 refuses', { AWS_SECRET_ACCESS_KEY: secrets.session }, 5],
    ['a session is not known', { AWS_SESSION_TOKEN: secrets.session }, 3],
    ['the bucket is missing', { S3_BUCKET: 'rmbg-test-there-is-none' }, 5],
    ['S3 is down', { S3_ENDPOINT: 'http://127.0.0.1:9', RMBG_PATIENCE: '1s' }, 5],
    [
      'Redis refuses',
      { REDIS_URL: (redisUrl ?? 'redis://127.0.0.1:9').replace('//', `//:${secrets.redis}@`) },
      3,
    ],
  ])('shows none of them when %s', async (_, changed, status) => {
    const args = ['process', 'photos', '--model', 'backdrop', '--verbose', '--force']
    const result = await run(installation.folder, args, { ...env, DEBUG: '*', ...changed })
    expect(result.status, result.stderr).toBe(status)
    if ('REDIS_URL' in changed) await run(installation.folder, ['stats'], { ...env, DEBUG: '*', ...changed })
  })
})

describe('a database URL with a password', () => {
  it.each([
    `postgres://u:${secrets.database}@127.0.0.1:9/x`,
    `postgres://u:${secrets.database}@127.0.0.1:99999/x`,
    `postgres://u:${secrets.database}@nowhere.invalid/x`,
    `postgres://u:${secrets.database}@[::bad/x`,
    `postgres://u:${secrets.database}@/x`,
    `postgres://u:${secrets.database}%zz@127.0.0.1:9/x`,
    `postgres://127.0.0.1:9/x?user=u&password=${secrets.database}`,
    `mysql://u:${secrets.database}@127.0.0.1/x`,
    `u:${secrets.database}@127.0.0.1/x`,
    secrets.database,
  ])('is not repeated: %s', async (url) => {
    const { status, stderr } = await run(await temporaryFolder(), ['migrate'], {
      DATABASE_URL: url,
      RMBG_PATIENCE: '1s',
      DEBUG: '*',
    })
    expect(status, stderr).toBe(4)
    expect(stderr).not.toContain('This is unexpected')
  })

  it('is not repeated by what a server says', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => {})
      socket.once('data', () => {
        const fields = 'SFATAL\0C28P01\0Mpassword authentication failed for user "u"\0\0'
        const head = Buffer.alloc(5)
        head.write('E')
        head.writeInt32BE(fields.length + 4, 1)
        socket.end(Buffer.concat([head, Buffer.from(fields)]))
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number }
    const url = `postgres://u:${secrets.database}@127.0.0.1:${port}/x`
    const { status, stderr } = await run(await temporaryFolder(), ['query', '--json'], {
      DATABASE_URL: url,
      DEBUG: '*',
    })
    server.close()
    expect(status, stderr).toBe(4)
  })
})

describe('settings that are wrong', () => {
  it.each<Record<string, string>>([
    { REDIS_URL: `redis://:${secrets.redis}@127.0.0.1:bad` },
    { REDIS_URL: `http://:${secrets.redis}@127.0.0.1` },
    { REDIS_URL: secrets.redis },
    { S3_BUCKET: 'b', S3_ENDPOINT: `s3://u:${secrets.s3}@h` },
    { S3_BUCKET: 'b', S3_ENDPOINT: `http://u:${secrets.s3}@127.0.0.1:9`, RMBG_PATIENCE: '1s' },
    { HF_ENDPOINT: `https://u:${secrets.huggingFace}@h` },
    { HF_TOKEN: `${secrets.huggingFace} two words` },
    { RMBG_ENCRYPTION_KEY: secrets.encryption.slice(0, 12) },
  ])('are named and not repeated: %j', async (env) => {
    // Prefixes of secrets are secrets.
    secrets.file = Object.values(env)
      .find((value) => value.includes('SECRET'))!
      .slice(0, 12)
    const args = 'S3_BUCKET' in env ? ['process', '.'] : 'REDIS_URL' in env ? ['stats'] : ['user', 'list']
    const folder = await temporaryFolder()
    await writeFile(join(folder, 'x.jpg'), 'no picture')
    const { status, stderr } = await run(folder, args, {
      AWS_ACCESS_KEY_ID: 'a',
      AWS_SECRET_ACCESS_KEY: secrets.session,
      DEBUG: '*',
      ...env,
    })
    expect([2, 5], stderr).toContain(status)
  })

  it.each([
    ['rmbg.config.json', `{"databaseUrl": "postgres://u:${secrets.file}@h/x", }`],
    ['rmbg.config.json', `{"databaseUrl": ["postgres://u:${secrets.file}@h/x"]}`],
    ['rmbg.config.json', `{"encryptionKey": "${secrets.file}", "unknown": "${secrets.file}"}`],
    ['rmbg.config.json', `"${secrets.file}"`],
    ['package.json', `{"rmbg": {"hfToken": "${secrets.file} x"}}`],
    ['package.json', `{"rmbg": ${secrets.file}}`],
  ])('of a file are named and not repeated: %s %s', async (name, content) => {
    const folder = await temporaryFolder()
    await writeFile(join(folder, name), content)
    const { status, stderr } = await run(folder, ['query'], { DEBUG: '*' })
    expect(status, stderr).toBe(2)
    expect(stderr).toContain(name)
  })

  it('of a proxy are not repeated', async () => {
    const proxy = `http://u:${secrets.proxy}@127.0.0.1:9`
    const { status } = await run(await temporaryFolder(), ['model', 'pull', 'u2netp', '--json'], {
      ...{ HTTPS_PROXY: proxy, HTTP_PROXY: proxy, HF_TOKEN: secrets.huggingFace, DEBUG: '*' },
    })
    expect([2, 6]).toContain(status)
  })
})

// Node 20 cannot leave the environment out.
it.runIf('excludeEnv' in process.report!)('diagnostic reports hold no environment', async () => {
  const folder = await temporaryFolder()
  const told = `data:text/javascript,process.on('exit',()=>process.stdout.write(JSON.stringify(process.report.getReport())))`
  const { stdout } = await run(folder, ['--version'], {
    NODE_OPTIONS: `--import ${told}`,
    DATABASE_URL: `postgres://u:${secrets.database}@h/x`,
  })
  expect(stdout).toContain('javascriptStack')
})

it('ONNX Runtime reports nothing about models and machine, and leaves nothing behind', async () => {
  const folder = await temporaryFolder()
  const [home, temporary] = [join(folder, 'home'), join(folder, 'tmp')]
  await Promise.all([
    mkdir(home),
    mkdir(temporary),
    writeFile(join(folder, 'a.jpg'), await picture(1).toBuffer()),
  ])
  const { status, stderr } = await run(folder, ['process', 'a.jpg'], {
    ...{ HOME: home, XDG_CACHE_HOME: '', XDG_DATA_HOME: '', TMPDIR: temporary },
    // Where it holds back by itself.
    ...{ CI: '', GITHUB_ACTIONS: '', ORT_DISABLE_TELEMETRY: '' },
  })
  expect(status, stderr).toBe(0)
  expect([...(await readdir(home)), ...(await readdir(temporary))]).toEqual([])
})
