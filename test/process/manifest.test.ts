import { createHash } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type ManifestCursor, manifestPages } from '../../src/process/inputs/manifest/pages.ts'
import { openSpill } from '../../src/system/spill.ts'
import { temporaryFolder } from '../support/cli.ts'

type Objects = Record<string, string | Buffer>

/** The entries of a manifest, which lies in a folder beside these files, or in a bucket of these objects. */
async function entriesOf(place: string, files: Objects, from?: ManifestCursor) {
  const cwd = await temporaryFolder()
  const spill = openSpill()
  onTestFinished(() => spill.close())
  for (const [name, content] of Object.entries(files)) {
    await mkdir(join(cwd, name, '..'), { recursive: true })
    await writeFile(join(cwd, name), content)
  }
  const open = async (_bucket: string, key: string) => {
    if (files[key] === undefined) throw new Error('NoSuchKey')
    return Readable.from([Buffer.from(files[key])], { objectMode: false })
  }
  const stdin = Readable.from([Buffer.from(files['-'] ?? '')])
  const pages = manifestPages(place, { open, spill, stdin, cwd }, from)
  const found = []
  let cursor: ManifestCursor | undefined
  for await (const page of pages) {
    found.push(...page.entries)
    cursor = page.cursor
  }
  return { found, cursor, cwd }
}

const url = 's3://shop/a.jpg'

describe('a manifest of lines', () => {
  it('names pictures as NDJSON, with what is known of them', async () => {
    const lines = [
      `{"url":"${url}","etag":"abc","size":12,"versionId":"v1"}`,
      '',
      '{"url":"https://shop.example/b.jpg?X-Amz-Signature=1","etag":null}',
    ]
    expect((await entriesOf('list.ndjson', { 'list.ndjson': lines.join('\r\n') })).found).toEqual([
      { url, etag: '"abc"', size: 12, versionId: 'v1' },
      { url: 'https://shop.example/b.jpg?X-Amz-Signature=1' },
    ])
  })

  it.each([
    ['a header', `\uFEFFetag,URL,Size\nabc,${url},12\n`],
    ['a header of bucket and key', 'Bucket,Key,ETag,Size\nshop,a.jpg,abc,12\n'],
  ])('names them as CSV with %s', async (_, text) => {
    expect((await entriesOf('list.csv', { 'list.csv': text })).found).toEqual([
      { url, etag: '"abc"', size: 12 },
    ])
  })

  it.each([
    ['addresses', `${url}\n"s3://shop/b, c.jpg"\n`, [{ url }, { url: 's3://shop/b, c.jpg' }]],
    ['addresses and ETags', `${url},"""abc"""\n`, [{ url, etag: '"abc"' }]],
    [
      'bucket and key, as for S3 Batch Operations',
      'shop,b%20c+d.jpg,v2\n',
      [{ url: 's3://shop/b c d.jpg', versionId: 'v2' }],
    ],
  ])('names them as CSV without a header: %s', async (_, text, expected) => {
    expect((await entriesOf('list.csv', { 'list.csv': text })).found).toEqual(expected)
  })

  it('tells each broken line by its number, and goes on', async () => {
    const lines = [
      `{"url":"${url}"}`,
      '{"url":',
      '{"size":1}',
      '[]',
      `{"url":"${url}","size":-1}`,
      '{"url":"a.jpg"}',
      `{"url":"${'x'.repeat(70_000)}"}`,
      '{"url":"s3://shop"}',
      `{"url":"${url}"}`,
    ]
    const { found } = await entriesOf('list', { list: lines.join('\n') })
    expect(found.filter((entry) => 'url' in entry)).toHaveLength(2)
    expect(found.flatMap((entry) => ('problem' in entry ? `${entry.line}: ${entry.problem}` : []))).toEqual([
      '2: it is no JSON',
      '3: it has no url',
      '4: it is no JSON object',
      '5: its size is no number of bytes',
      '6: its url does not begin with s3:// or https://',
      '7: it is longer than any address',
      '8: its url is not complete',
    ])
    const csv = await entriesOf('c.csv', {
      'c.csv': `url,size\n${url},1\n"s3://sh"op/b.jpg,2\n,3\n${url},many\n`,
    })
    expect(csv.found).toEqual([
      { url, size: 1 },
      { manifest: 'c.csv', line: 3, problem: 'it is no line of CSV' },
      { manifest: 'c.csv', line: 4, problem: 'it has no url' },
      { manifest: 'c.csv', line: 5, problem: 'its size is no number of bytes' },
    ])
  })

  it('goes on from where it was left', async () => {
    const text = Array.from({ length: 2500 }, (_, index) => `s3://shop/${index}.jpg`).join('\n')
    const all = await entriesOf('list.csv', { 'list.csv': text })
    expect(all.found).toHaveLength(2500)
    expect(all.cursor).toEqual({ file: 0, entries: 2500 })
    const rest = await entriesOf('list.csv', { 'list.csv': text }, { file: 0, entries: 1234 })
    expect(rest.found).toEqual(all.found.slice(1234))
  })

  it('may be packed, lie in a bucket, or come from standard input', async () => {
    const packed = gzipSync(`${url}\n`)
    for (const place of ['list.csv.gz', 's3://lists/list.csv.gz', '-'])
      expect((await entriesOf(place, { 'list.csv.gz': packed, '-': packed })).found).toEqual([{ url }])
  })

  it.each([
    [
      'nothing fits',
      'photos/a.jpg\nphotos/b.jpg\n',
      'names no picture: line 1 fits no manifest, its url does not begin',
    ],
    ['an array', `[{"url":"${url}"}]`, 'is a JSON array'],
    ['a picture', Buffer.from([0xff, 0xd8, 0xff, 0xe0, 1]), 'is a picture (JPEG), not a manifest'],
    ['a torn inventory', '{"fileSchema":"Bucket, Key","files":', 'is not complete'],
  ])('is refused before anything is done: %s', async (_, content, sentence) => {
    await expect(entriesOf('list', { list: content })).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining(sentence),
    })
    await expect(entriesOf('none', {})).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining('ENOENT'),
    })
  })
})

describe('an inventory of S3', () => {
  const md5 = (content: string | Buffer) => createHash('md5').update(content).digest('hex')
  const row = (key: string, latest = 'true', marker = 'false') =>
    `"shop","${key}","v1","${latest}","${marker}","12","2026-01-01T00:00:00.000Z","abc"`
  const data = gzipSync(
    [
      row('a.jpg'),
      row('old.jpg', 'false'),
      row('gone.jpg', 'true', 'true'),
      row('notes.txt'),
      row('b%20%C3%A9+x.jpg'),
      row('%ZZ.jpg'),
    ].join('\n'),
  )
  const manifest = (files: object[], fileFormat = 'CSV') =>
    JSON.stringify({
      ...{ sourceBucket: 'shop', destinationBucket: 'arn:aws:s3:::lists', version: '2016-11-30', fileFormat },
      fileSchema: 'Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag',
      files,
    })
  const file = { key: 'inv/shop/daily/data/1.csv.gz', size: data.length, MD5checksum: md5(data) }
  const place = 'inv/shop/daily/2026-01-02T00-00Z/manifest.json'
  const expected = [
    { url: 's3://shop/a.jpg', etag: '"abc"', size: 12 },
    { url: 's3://shop/b é x.jpg', etag: '"abc"', size: 12 },
  ]

  it('in CSV names the current pictures of a bucket, whose keys are URL-encoded', async () => {
    const files = { [place]: manifest([file, file]), [file.key]: data }
    const { found, cursor } = await entriesOf(`s3://lists/${place}`, files)
    expect(found.filter((entry) => 'url' in entry)).toEqual([...expected, ...expected])
    expect(found.find((entry) => 'problem' in entry)).toEqual({
      ...{ manifest: `s3://lists/${file.key}`, line: 6, problem: 'its key is not URL-encoded' },
    })
    expect(cursor).toEqual({ file: 1, entries: 3 })
    const rest = await entriesOf(`s3://lists/${place}`, files, { file: 1, entries: 1 })
    expect(rest.found).toHaveLength(2)
    // Copied here, with its folders.
    expect((await entriesOf(place, files)).found).toHaveLength(6)
  })

  it('is refused where an MD5 is another one', async () => {
    const other = { ...file, MD5checksum: md5('x') }
    await expect(entriesOf(place, { [place]: manifest([other]), [file.key]: data })).rejects.toThrow(
      'its MD5 is another one',
    )
    const checksum = place.replace('.json', '.checksum')
    await expect(
      entriesOf(place, { [place]: manifest([file]), [file.key]: data, [checksum]: md5('x') }),
    ).rejects.toThrow('manifest.checksum')
    await expect(entriesOf(place, { [place]: manifest([file], 'ORC') })).rejects.toThrow('in ORC')
  })

  it('in Parquet names the same, and so does a plain file of that kind', async () => {
    const { DuckDBInstance } = await import('@duckdb/node-api')
    const folder = await temporaryFolder()
    const connection = await (await DuckDBInstance.create(':memory:')).connect()
    await connection.run(
      `copy (select 'shop' as bucket, k as key, 12::bigint as size, 'abc' as e_tag, true as is_latest, false as is_delete_marker
         from unnest(['a.jpg', 'b é x.jpg', 'notes.txt']) t(k)) to '${folder}/1.parquet' (format parquet)`,
    )
    connection.closeSync()
    const parquet = await readFile(join(folder, '1.parquet'))
    const name = { key: 'x/1.parquet', MD5checksum: md5(parquet) }
    const files = { 'manifest.json': manifest([name], 'Parquet'), '1.parquet': parquet }
    expect((await entriesOf('manifest.json', files)).found).toEqual(expected)
    const { found } = await entriesOf('1.parquet', { '1.parquet': parquet })
    expect(found).toEqual([...expected, { url: 's3://shop/notes.txt', etag: '"abc"', size: 12 }])
  })
})

it('many lines take the memory of some', async () => {
  const lines = function* () {
    for (let begin = 0; begin < 2e5; begin += 1000)
      yield Buffer.from(
        Array.from(
          { length: 1000 },
          (_, index) => `{"url":"s3://shop/${begin + index}.jpg","etag":"abc","size":1}\n`,
        ).join(''),
      )
  }
  const spill = openSpill()
  const services = { open: async () => Readable.from(lines()), spill, stdin: Readable.from([]), cwd: '/' }
  let count = 0
  let most = 0
  for await (const { entries } of manifestPages('s3://lists/all.ndjson', services)) {
    count += entries.length
    if (count % 50_000 === 0) most = Math.max(most, process.memoryUsage().heapUsed)
  }
  expect(count).toBe(2e5)
  expect(most / 2 ** 20).toBeLessThan(300)
  await spill.close()
})
