/** Pictures that lie in a bucket: found, read once, known again without being read, and left alone whatever is removed. */
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
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
    installation = await freshInstallation({ migrated: true })
    ;({ bucket } = await freshBucket())
    client = new S3Client({ endpoint: s3Endpoint!, region: 'us-east-1', forcePathStyle: true })
    const versioned = { Status: 'Enabled' as const }
    await client.send(new PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration: versioned }))
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
    // They end in any order.
    return Object.fromEntries(
      found.map(({ input, reason, status, code }) => [input, code ?? reason ?? status]),
    )
  }
  const keys = async () => {
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: bucket }))
    return Contents.map(({ Key, ETag }) => [Key, ETag])
  }
  const [a, b] = ['shop/a.jpg', 'shop/summer/b.jpg'].map((key) => () => `s3://${bucket}/${key}`)

  it('is processed, and what is done is known by its ETag', async () => {
    const all = [`s3://${bucket}/shop/**/*.jpg`, '--output', 'out']
    expect(await images(...all)).toEqual({ [a!()]: 'completed', [b!()]: 'completed' })
    expect(await readdir(join(installation.folder, 'out'), { recursive: true })).toEqual(
      expect.arrayContaining(['a.png', join('summer', 'b.png')]),
    )
    const rows = await jobRows(installation.sql)
    expect(rows.map(({ source_path }) => source_path)).toEqual([a!(), b!()])
    expect(rows[0]?.params.source).toEqual({
      etag: expect.stringMatching(/^"[0-9a-f]{32}"$/),
      versionId: expect.any(String),
    })

    await put('shop/a.jpg', 4)
    expect(await images(...all)).toEqual({ [a!()]: 'completed', [b!()]: 'unchanged' })
  })

  it('keeps its originals, which rows name where they lie, and whose version is read', async () => {
    const [first] = await jobRows(installation.sql)
    expect(first).toMatchObject({ original_path: a!(), kept: ['mask', 'processed'] })
    // It was replaced since.
    await installation.run(['query', String(first?.job_id), '--download', 'fetched', '--kind', 'original'])
    const fetched = await readFile(join(installation.folder, 'fetched', 'original', `${first?.job_id}.jpg`))
    expect(fetched.equals(await picture(1).jpeg().toBuffer())).toBe(true)
  })

  it('is named by a manifest, a line of which fails alone; cut-outs go to a bucket, beside what is not ours', async () => {
    const lines = [{ url: b!() }, { url: `s3://${bucket}/other/c.jpg` }, { size: 1 }]
    await writeFile(
      join(installation.folder, 'list.ndjson'),
      lines.map((line) => JSON.stringify(line)).join('\n'),
    )
    await client.send(new PutObjectCommand({ Bucket: bucket, Key: 'cut/other/c.png', Body: 'mine' }))
    const before = await keys()
    expect(await images('--manifest', 'list.ndjson', '--output', `s3://${bucket}/cut/`)).toEqual({
      [b!()]: 'unchanged',
      [`s3://${bucket}/other/c.jpg`]: 'completed',
      'list.ndjson:3': 'INPUT_UNSUPPORTED',
    })
    const after = await keys()
    expect(after).toEqual(expect.arrayContaining(before))
    expect(after.map(([key]) => key)).toEqual([
      ...['cut/other/c.png', 'cut/shop/summer/b.png', 'other/c.jpg', 'shop/a.jpg', 'shop/summer/b.jpg'],
    ])
  })

  it('stays as it is, with all versions, when all jobs are removed', async () => {
    const versions = async () => {
      const { Versions = [], DeleteMarkers = [] } = await client.send(
        new ListObjectVersionsCommand({ Bucket: bucket }),
      )
      return [...Versions, ...DeleteMarkers].map(({ Key, VersionId }) => [Key, VersionId])
    }
    const before = await versions()
    const { status, stderr } = await installation.run(['clean', '--versions', '--yes'])
    expect(status, stderr).toBe(0)
    expect(await jobRows(installation.sql)).toEqual([])
    expect(await versions()).toEqual(before)
  })

  it('that holds the store itself is refused', async () => {
    const own = `s3://${installation.bucket.bucket}/`
    const { status, stderr } = await installation.run(['process', own])
    expect(status).toBe(2)
    expect(stderr).toContain('holds the objects of this store (original/). [REFUSED]')
  })

  it('gives an object only as it was listed, its begin, and a version of it', async () => {
    const input = s3InputBucket({ bucket, endpoint: s3Endpoint! })
    const listed = []
    for await (const object of input.list('other/')) listed.push(object)
    expect(listed).toMatchObject([{ key: 'other/c.jpg', size: expect.any(Number) }])
    expect(await input.look({ key: 'other/c.jpg' })).toMatchObject({
      size: listed[0]!.size,
      etag: listed[0]!.etag,
    })
    const begin = await input.open(listed[0]!, { bytes: 10 })
    expect(Buffer.concat(await begin.body.toArray())).toHaveLength(10)
    await put('other/c.jpg', 5)
    await expect(input.open(listed[0]!)).rejects.toMatchObject({ code: 'INPUT_CHANGED' })
    const old = await input.open({ key: 'other/c.jpg', versionId: String(begin.versionId) })
    expect(Buffer.concat(await old.body.toArray())).toHaveLength(listed[0]!.size)
    await expect(input.open({ key: 'other/none.jpg', etag: '' })).rejects.toMatchObject({
      code: 'INPUT_NOT_FOUND',
    })
    await expect(input.look({ key: 'other/none.jpg' })).rejects.toMatchObject({ code: 'INPUT_NOT_FOUND' })
    await input.close()
  })

  it('is listed by several at once', async () => {
    const { listInParallel } = await import('../../src/process/inputs/listing.ts')
    const input = s3InputBucket({ bucket, endpoint: s3Endpoint! })
    // Pages of S3 are of a thousand; smaller ones need no thousand objects.
    const small = {
      page: async (request: Parameters<typeof input.page>[0]) => {
        const { objects, folders, isCut } = await input.page(request)
        return { objects: objects.slice(0, 1), folders, isCut: isCut || objects.length > 1 }
      },
    }
    const found: string[] = []
    for await (const { objects } of listInParallel(small, '')) found.push(...objects.map(({ key }) => key))
    expect(found.sort()).toEqual((await keys()).map(([key]) => key))
    await input.close()
  })
})
