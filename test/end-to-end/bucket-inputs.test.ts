/** Pictures that lie in a bucket: found, read once, known again without being read. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { s3InputBucket } from '../../src/store/s3/input.ts'
import { jsonLines } from '../support/cli.ts'
import { describeServers, freshInstallation, type Installation } from '../support/fixture-installation.ts'
import { picture } from '../support/images.ts'
import { jobRows } from '../support/job-rows.ts'
import { freshBucket, s3Endpoint } from '../support/servers.ts'

describeServers('a bucket as an input', () => {
  let installation: Installation
  let bucket: string
  let client: S3Client
  const put = async (Key: string, seed: number) =>
    client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: await picture(seed).jpeg().toBuffer() }))
  beforeAll(async () => {
    installation = await freshInstallation()
    await installation.run(['migrate'])
    ;({ bucket } = await freshBucket())
    client = new S3Client({ endpoint: s3Endpoint!, region: 'us-east-1', forcePathStyle: true })
    await put('shop/a.jpg', 1)
    await put('shop/summer/b.jpg', 2)
    await put('other/c.jpg', 3)
  })
  afterAll(async () => {
    client.destroy()
    await installation.close()
  })
  const images = async (...args: string[]) => {
    const { stdout, stderr } = await installation.run(['process', ...args, '--json'])
    const found = jsonLines(stdout).filter(({ type }) => type === 'image')
    expect(found, stderr).not.toEqual([])
    return found.map(({ input, reason, status, code }) => [input, code ?? reason ?? status])
  }
  const [a, b] = ['shop/a.jpg', 'shop/summer/b.jpg'].map((key) => () => `s3://${bucket}/${key}`)

  it('is processed, and what is done is known by its ETag', async () => {
    const all = [`s3://${bucket}/shop/**/*.jpg`, '--output', 'out']
    expect(await images(...all)).toEqual([
      [a!(), 'completed'],
      [b!(), 'completed'],
    ])
    expect(await readdir(join(installation.folder, 'out'), { recursive: true })).toEqual(
      expect.arrayContaining(['a.png', join('summer', 'b.png')]),
    )
    const rows = await jobRows(installation.sql)
    expect(rows.map(({ source_path }) => source_path)).toEqual([a!(), b!()])
    expect(rows[0]?.params.source).toEqual({ etag: expect.stringMatching(/^"[0-9a-f]{32}"$/) })

    await put('shop/a.jpg', 4)
    expect(await images(...all)).toEqual([
      [b!(), 'unchanged'],
      [a!(), 'completed'],
    ])
  })

  it('that holds the store itself is refused', async () => {
    const own = `s3://${installation.bucket.bucket}/`
    const { status, stderr } = await installation.run(['process', own])
    expect(status).toBe(2)
    expect(stderr).toContain('holds the objects of this store (original/). [REFUSED]')
  })

  it('gives an object only as it was listed', async () => {
    const input = s3InputBucket({ bucket, endpoint: s3Endpoint! })
    const listed = []
    for await (const object of input.list('other/')) listed.push(object)
    expect(listed).toMatchObject([{ key: 'other/c.jpg', size: expect.any(Number) }])
    await put('other/c.jpg', 5)
    await expect(input.open(listed[0]!)).rejects.toMatchObject({ code: 'INPUT_CHANGED' })
    await expect(input.open({ key: 'other/none.jpg', etag: '' })).rejects.toMatchObject({
      code: 'INPUT_NOT_FOUND',
    })
    await input.close()
  })
})
