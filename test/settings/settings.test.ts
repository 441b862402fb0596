/** Where a setting's value comes from, and what is said of one that cannot be used. */
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { environmentVariable, resolveSettings, traceSettings } from '../../src/settings/settings.ts'
import { temporaryFolder } from '../support/cli.ts'

async function inFolder(files: Record<string, unknown> = {}) {
  const folder = await temporaryFolder()
  await mkdir(join(folder, 'own'), { mode: 0o700 })
  for (const [name, content] of Object.entries(files)) {
    const text = typeof content === 'string' ? content : JSON.stringify(content)
    await writeFile(join(folder, name), text, { mode: 0o600 })
  }
  return (flags: Record<string, unknown> = {}, env: NodeJS.ProcessEnv = {}) =>
    resolveSettings(flags, env, folder, join(folder, 'own/config.json'))
}

const refusal = (code: string, message: string) => expect.objectContaining({ code, message })

describe('a setting', () => {
  it('is that of the flag, else the environment, else the file, else the default', async () => {
    const resolve = await inFolder({ 'rmbg.config.json': { maxMemory: '1GB', user: 'file' } })
    const env = { RMBG_MAX_MEMORY: '2GiB', RMBG_USER: '' }
    expect(await resolve({ 'max-memory': '3GB' }, env)).toMatchObject({ maxMemory: 3e9, user: 'file' })
    expect(await resolve({}, env)).toMatchObject({ maxMemory: 2 ** 31 })
    expect(await resolve()).toMatchObject({ maxMemory: 1e9, model: 'auto', ignore: [] })
  })

  it('may stand in package.json, which rmbg.config.json replaces', async () => {
    const packageJson = { name: 'shop', rmbg: { quality: 80 } }
    expect(await (await inFolder({ 'package.json': packageJson }))()).toMatchObject({ quality: 80 })
    const both = await inFolder({ 'package.json': packageJson, 'rmbg.config.json': {} })
    expect(await both()).not.toHaveProperty('quality')
  })

  it('names its variable', () => {
    expect(environmentVariable('maxBytes')).toBe('RMBG_MAX_BYTES')
  })
})

describe('a prefix of keys', () => {
  it.each([
    ['shop', 'shop/'],
    ['/shop/photos/', 'shop/photos/'],
    ['a b/ü', 'a b/ü/'],
  ])('%j is %j', async (given, prefix) => {
    expect(await (await inFolder())({}, { S3_PREFIX: given })).toMatchObject({ s3Prefix: prefix })
  })

  it.each(['/', 'a//b', '../a', 'a/./b', 'a\\b', 'a\nb', 'a'.repeat(201)])('%j is refused', async (given) => {
    await expect((await inFolder())({}, { S3_PREFIX: given })).rejects.toEqual(
      refusal(
        'CONFIG_INVALID',
        'S3_PREFIX is not usable: expected the first part of a key, such as shop/photos.',
      ),
    )
  })
})

describe('a setting that cannot be used', () => {
  it.each([
    ['S3_BUCKET', 'plain/products', '; set S3_BUCKET=plain and S3_PREFIX=products'],
    ['S3_BUCKET', 's3://plain/a/b/', '; set S3_BUCKET=plain and S3_PREFIX=a/b'],
    ['S3_BUCKET', 's3://plain', '; set S3_BUCKET=plain'],
    ['S3_BUCKET_MASK', 'plain/products', '; set S3_BUCKET_MASK=plain and S3_PREFIX=products'],
    ['S3_BUCKET', 'https://anna:s3cret@host/bucket', ''],
  ])('%s=%s says how to write it', async (variable, value, way) => {
    await expect((await inFolder())({}, { [variable]: value })).rejects.toEqual(
      refusal('CONFIG_INVALID', `${variable} is not usable: expected the name of a bucket alone${way}.`),
    )
  })

  it('is no bucket by its access point, whose ARN holds a slash', async () => {
    const s3Bucket = 'arn:aws:s3:eu-west-1:123456789012:accesspoint/shop'
    expect(await (await inFolder())({}, { S3_BUCKET: s3Bucket })).toMatchObject({ s3Bucket })
  })

  it('of a flag is named with what it expects and what it got', async () => {
    const resolve = await inFolder()
    await expect(resolve({ 'max-memory': 'much' })).rejects.toEqual(
      refusal('USAGE', '--max-memory expects a size such as 4GB but received "much".'),
    )
    await expect(resolve({ size: '12' })).rejects.toEqual(
      refusal('USAGE', '--size expects WxH in pixels, such as 2000x2000, 2000x or x2000 but received "12".'),
    )
  })

  it('of the environment or a file is named without its value, which may hold a password', async () => {
    const resolve = await inFolder({ 'own/config.json': { s3Endpoint: 'ftp://anna:s3cret@host' } })
    const error = await resolve().catch((caught: Error) => caught)
    expect(error).toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(/^"s3Endpoint" in .*\/own\/config\.json is not usable/),
    })
    expect(String(error)).not.toContain('s3cret')
    await expect((await inFolder())({}, { RMBG_MAX_MEMORY: '4G' })).rejects.toEqual(
      refusal('CONFIG_INVALID', 'RMBG_MAX_MEMORY is not usable: expected a size such as 4GB.'),
    )
  })

  it.each([
    ['{', 'rmbg.config.json is not valid JSON.'],
    ['[]', 'rmbg.config.json must hold a JSON object.'],
    ['{"colour":1}', 'rmbg.config.json has an unknown key "colour".'],
  ])('of a file that reads %s', async (content, message) => {
    await expect((await inFolder({ 'rmbg.config.json': content }))()).rejects.toEqual(
      refusal('CONFIG_INVALID', message),
    )
  })
})

describe('a file in the working directory', () => {
  const hint = (variable: string) => expect.stringContaining(`Set ${variable}, or move it to your own file, `)

  it.each([
    ['databaseUrl', 'postgres://thief.example/x', 'names a server', 'DATABASE_URL'],
    ['s3Endpoint', 'https://thief.example', 'names a server', 'S3_ENDPOINT'],
    ['s3Region', 'eu-west-1', 'names a server', 'S3_REGION'],
    ['redisUrl', 'redis://thief.example', 'names a server', 'REDIS_URL'],
    ['hfEndpoint', 'https://thief.example', 'names a server', 'HF_ENDPOINT'],
    ['s3Bucket', 'theirs', 'names a bucket', 'S3_BUCKET'],
    ['s3BucketMask', 'theirs', 'names a bucket', 'S3_BUCKET_MASK'],
    ['hfToken', 'hf_x', 'names a secret', 'HF_TOKEN'],
    ['encryptionKey', '0123456789abcdef', 'names a secret', 'RMBG_ENCRYPTION_KEY'],
    ['home', '/tmp/theirs', 'names a place outside of it', 'RMBG_HOME'],
    ['output', '../theirs', 'names a place outside of it', 'RMBG_OUTPUT'],
    ['backupTo', 's3://theirs/x', 'names a server', 'RMBG_BACKUP_TO'],
    ['backupTo', '/tmp/theirs', 'names a place outside of it', 'RMBG_BACKUP_TO'],
    ['model', '../theirs.onnx', 'names a file outside of it', 'RMBG_MODEL'],
    ['preset', '/tmp/theirs.json', 'names a file outside of it', 'RMBG_PRESET'],
    ['background', '../private.jpg', 'names a file outside of it', 'RMBG_BACKGROUND'],
  ])('may not set %s to %s', async (name, value, reason, variable) => {
    const rest = `${reason}, which a file in the working directory may not do.`
    await expect((await inFolder({ 'rmbg.config.json': { [name]: value } }))()).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: `"${name}" in rmbg.config.json ${rest}`,
      hint: hint(variable),
    })
    await expect((await inFolder({ 'package.json': { rmbg: { [name]: value } } }))()).rejects.toMatchObject({
      message: `"${name}" in the rmbg key of package.json ${rest}`,
    })
  })

  it('may not lead out of it by a link', async () => {
    const folder = await temporaryFolder()
    await symlink('/tmp', join(folder, 'cutouts'))
    await writeFile(join(folder, 'rmbg.config.json'), '{"output":"cutouts/new"}')
    await expect(resolveSettings({}, {}, folder)).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  })

  it('may name what is in it, and things by name', async () => {
    const values = {
      home: '.rmbg',
      output: 'cutouts',
      backupTo: './backups',
      model: 'models/own.onnx',
      preset: 'amazon',
      background: '#ffffff',
      quality: 80,
    }
    expect(await (await inFolder({ 'rmbg.config.json': values }))()).toMatchObject(values)
  })
})

describe("the user's own file", () => {
  const values = {
    databaseUrl: 'postgres://db.example/x',
    s3Bucket: 'mine',
    encryptionKey: '0123456789abcdef',
  }

  it('may name servers and secrets, and gives way to the working directory', async () => {
    const resolve = await inFolder({
      'own/config.json': { ...values, quality: 70, tag: ['own'] },
      'rmbg.config.json': { quality: 80 },
    })
    expect(await resolve()).toMatchObject({ ...values, quality: 80, tag: ['own'] })
  })

  it.each(['own/config.json', 'own'])('is refused when others may write %s', async (path) => {
    const folder = await temporaryFolder()
    await mkdir(join(folder, 'own'), { mode: 0o700 })
    const file = join(folder, 'own/config.json')
    await writeFile(file, JSON.stringify(values), { mode: 0o600 })
    expect(await resolveSettings({}, {}, folder, file)).toMatchObject(values)
    await chmod(join(folder, path), 0o775)
    await expect(resolveSettings({}, {}, folder, file)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: `${join(folder, path)} can be written by others, so its settings are not used.`,
      hint: expect.stringContaining(`chmod go-w ${join(folder, path)}`),
    })
  })
})

describe('the trace of settings', () => {
  it('says where each was found', async () => {
    const folder = await temporaryFolder()
    await mkdir(join(folder, 'own'), { mode: 0o700 })
    const own = join(folder, 'own/config.json')
    await writeFile(own, '{"s3Bucket":"mine"}', { mode: 0o600 })
    await writeFile(join(folder, 'rmbg.config.json'), '{"quality":80}')
    const traced = await traceSettings({ tag: ['x'] }, { S3_ENDPOINT: 'http://s3.example' }, folder, own)
    const of = (wanted: string) => traced.find(({ name }) => name === wanted)
    expect(of('tag')).toEqual({ name: 'tag', source: 'flag', from: '--tag', value: ['x'] })
    expect(of('s3Endpoint')).toMatchObject({ source: 'environment', from: 'S3_ENDPOINT' })
    expect(of('quality')).toEqual({ name: 'quality', source: 'file', from: 'rmbg.config.json', value: 80 })
    expect(of('s3Bucket')).toMatchObject({ source: 'file', from: own })
    expect(of('patience')).toEqual({ name: 'patience', source: 'default', value: 120 })
    expect(of('databaseUrl')).toEqual({ name: 'databaseUrl', source: 'none' })
  })
})

describe('the database', () => {
  it.each<[env: Record<string, string>, url: string | undefined]>([
    [{}, undefined],
    [{ DATABASE_URL: 'postgres://h/x', PGHOST: 'other' }, 'postgres://h/x'],
    [{ PGHOST: 'h' }, 'postgres://'],
    [{ PGSERVICE: 'shop' }, 'postgres://'],
    [{ PGDATABASE: 'shop' }, 'postgres://'],
    [{ PGUSER: 'anna', PGPASSWORD: 'secret', PGSSLMODE: 'require' }, undefined],
    [{ DATABASE_URL: 'embedded', PGHOST: 'h' }, undefined],
  ])('of %o is %s', async (env, url) => {
    const settings = await (await inFolder())({}, env)
    expect(settings.databaseUrl).toBe(url)
  })

  it('is traced to the variable of libpq that names it', async () => {
    const traced = await traceSettings({}, { PGHOST: 'h' }, await temporaryFolder(), '/none')
    expect(traced).toContainEqual({
      ...{ name: 'databaseUrl', value: 'postgres://', source: 'environment', from: 'PGHOST' },
    })
  })

  it('has at least two connections', async () => {
    const resolve = await inFolder()
    expect(await resolve({}, { DATABASE_CONNECTIONS: '2' })).toMatchObject({ databaseConnections: 2 })
    await expect(resolve({}, { DATABASE_CONNECTIONS: '1' })).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  })
})

describe('patience', () => {
  it.each([
    ['90s', 90],
    ['2m', 120],
    ['0', 0],
  ])('of %s is %i seconds', async (text, seconds) => {
    expect(await (await inFolder())({}, { RMBG_PATIENCE: text })).toMatchObject({ patience: seconds })
  })

  it('that is no duration is refused', async () => {
    await expect((await inFolder())({ patience: 'long' })).rejects.toEqual(
      refusal('USAGE', '--patience expects a duration such as 30s, 5m or 0 but received "long".'),
    )
  })
})

describe('an S3 endpoint', () => {
  it('is found where the AWS SDK looks for it, too', async () => {
    const resolve = await inFolder()
    const aws = { AWS_ENDPOINT_URL_S3: 'http://one.example', AWS_ENDPOINT_URL: 'http://two.example' }
    expect(await resolve({}, aws)).toMatchObject({ s3Endpoint: 'http://one.example' })
    expect(await resolve({}, { ...aws, AWS_ENDPOINT_URL_S3: '' })).toMatchObject({
      s3Endpoint: 'http://two.example',
    })
    expect(await resolve({}, { ...aws, S3_ENDPOINT: 'http://three.example' })).toMatchObject({
      s3Endpoint: 'http://three.example',
    })
    expect(await resolve({}, { ...aws, AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: 'true' })).not.toHaveProperty(
      's3Endpoint',
    )
  })

  it.each([
    ['http://localhost:9000/plain', 'http://localhost:9000', 'plain'],
    ['https://account.r2.cloudflarestorage.com/plain/', 'https://account.r2.cloudflarestorage.com', 'plain'],
    ['https://plain.nyc3.digitaloceanspaces.com', 'https://nyc3.digitaloceanspaces.com', 'plain'],
    ['https://plain.s3.eu-west-1.amazonaws.com', 'https://s3.eu-west-1.amazonaws.com', 'plain'],
  ])('that holds the bucket is refused: %s', async (endpoint, server, bucket) => {
    const resolve = await inFolder()
    await expect(resolve({}, { S3_ENDPOINT: endpoint, S3_BUCKET: bucket })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: `S3_ENDPOINT holds the bucket "${bucket}" as well as the server.`,
      hint: `Set S3_ENDPOINT=${server} and S3_BUCKET=${bucket}.`,
    })
  })

  it('without a bucket set holds it in its path', async () => {
    await expect((await inFolder())({}, { S3_ENDPOINT: 'http://a:b@host/plain' })).rejects.toMatchObject({
      hint: 'Set S3_ENDPOINT=http://host and S3_BUCKET=plain.',
    })
  })

  it.each([
    'https://minio.example',
    'https://plain.minio.example',
    'https://project.supabase.co/storage/v1/s3',
    'https://account.r2.cloudflarestorage.com',
  ])('of a server is taken: %s', async (endpoint) => {
    const resolve = await inFolder()
    expect(await resolve({}, { S3_ENDPOINT: endpoint, S3_BUCKET: 'plain' })).toMatchObject({
      s3Endpoint: endpoint,
    })
  })
})
