/** Where a setting's value comes from, and what is said of one that cannot be used. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { environmentVariable, resolveSettings } from '../../src/settings/settings.ts'
import { temporaryFolder } from '../support/cli.ts'

async function inFolder(files: Record<string, unknown> = {}) {
  const folder = await temporaryFolder()
  for (const [name, content] of Object.entries(files))
    await writeFile(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content))
  return (flags: Record<string, unknown> = {}, env: NodeJS.ProcessEnv = {}) =>
    resolveSettings(flags, env, folder)
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
    const resolve = await inFolder({ 'rmbg.config.json': { s3Endpoint: 'ftp://anna:s3cret@host' } })
    const error = await resolve().catch((caught: Error) => caught)
    expect(error).toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('"s3Endpoint" in rmbg.config.json'),
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
