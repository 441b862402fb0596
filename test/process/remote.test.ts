import { readdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Readable } from 'node:stream'
import { describe, expect, it, onTestFinished } from 'vitest'
import { objectSource } from '../../src/process/inputs/elsewhere.ts'
import { remoteInputs } from '../../src/process/inputs/remote.ts'
import { collectInputs, type InputOptions } from '../../src/process/inputs.ts'
import type { InputBucket } from '../../src/store/input-bucket.ts'
import { openSpill } from '../../src/system/spill.ts'
import { temporaryFolder } from '../support/cli.ts'
import { picture } from '../support/images.ts'

const limits = { maxPixels: 1e6, allowSvg: false }

/** A bucket of these keys, and what it was asked. */
async function bucketOf(...keys: string[]) {
  const file = await picture(1).jpeg().toBuffer()
  const opened: string[] = []
  const facts = (key: string) => ({ size: file.length, etag: `"${key}"`, lastModified: new Date(1000) })
  const bucket: InputBucket = {
    location: 's3://shop',
    list: async function* (prefix) {
      yield* (await bucket.page({ prefix })).objects
    },
    page: async ({ prefix, after = '' }) => {
      const found = keys.sort().filter((key) => key.startsWith(prefix) && key > after)
      const objects = found.map((key) => ({ key, ...facts(key) }))
      return { objects, folders: [], isCut: false }
    },
    link: async ({ key }) => `https://shop/${key}`,
    look: async ({ key }) => ({ key, ...facts(key) }),
    open: async ({ key }) => {
      opened.push(key)
      return { body: Readable.from([file], { objectMode: false }), versionId: 'v1' }
    },
    close: async () => {},
  }
  const spill = openSpill()
  onTestFinished(() => spill.close())
  const collect = async (patterns: string[], ignore: string[] = [], more: Partial<InputOptions> = {}) =>
    collectInputs({
      ...{
        patterns,
        ignore,
        remote: remoteInputs({ bucket: async () => bucket, spill, stdin: Readable.from([]), cwd: '/' }),
        excludeFolders: [],
        takesJobs: false,
        stdin: Readable.from([]),
      },
      ...{ cwd: await temporaryFolder(), onNotice: () => {}, ...more },
    })
  return { collect, opened, file }
}

const relatives = (candidates: Iterable<{ relative: string }>) =>
  [...candidates].map(({ relative }) => relative)

describe('a bucket as an input', () => {
  const keys = ['a/x.jpg', 'a/b/y.JPG', 'a/b/[z].jpg', 'a/notes.txt', 'a/b/', 'ab/w.jpg']

  it('gives the pictures below a prefix, what a glob matches, or one object', async () => {
    const { collect } = await bucketOf(...keys)
    expect(relatives(await collect(['s3://shop/a/']))).toEqual(['b/[z].jpg', 'b/y.JPG', 'x.jpg'])
    expect(relatives(await collect(['s3://shop/a']))).toEqual(['a/b/[z].jpg', 'a/b/y.JPG', 'a/x.jpg'])
    expect(relatives(await collect(['s3://shop/a/**/*.jpg']))).toEqual(['b/[z].jpg', 'x.jpg'])
    expect(relatives(await collect(['s3://shop/a*/*.jpg']))).toEqual(['a/x.jpg', 'ab/w.jpg'])
    expect(relatives(await collect(['s3://shop/a/b/[z].jpg']))).toEqual(['[z].jpg'])
    expect(relatives(await collect(['s3://shop/a/notes.txt']))).toEqual(['notes.txt'])
    expect(relatives(await collect(['s3://shop/a/'], ['y.*']))).toEqual(['b/[z].jpg', 'x.jpg'])
    await expect(collect(['s3://shop/none/'])).rejects.toMatchObject({ code: 'NO_MATCH' })
  })

  it('gives each object once, and may be gone through again', async () => {
    const { collect } = await bucketOf(...keys)
    const candidates = await collect(['s3://shop/a/b/', 's3://shop/a/'])
    expect(candidates.length).toBe(3)
    expect(relatives(candidates)).toEqual(['[z].jpg', 'y.JPG', 'x.jpg'])
    expect(relatives(candidates)).toHaveLength(3)
  })

  it('is refused where a store lies in it', async () => {
    const { collect } = await bucketOf('a/x.jpg', 'a/store/rmbg-owner.json')
    await expect(collect(['s3://shop/a/'])).rejects.toMatchObject({ code: 'REFUSED' })
  })

  it('is read only when a picture is needed, and nothing stays on disk', async () => {
    const { collect, opened, file } = await bucketOf('a/x.jpg')
    const [candidate] = await collect(['s3://shop/a/'])
    const source = await candidate!.inspect!()
    expect(source).toMatchObject({ path: 's3://shop/a/x.jpg', size: file.length })
    expect(opened).toEqual([])
    expect(await source.header(limits)).toMatchObject({ format: 'jpeg' })
    expect(Buffer.from(await source.read()).equals(file)).toBe(true)
    expect(opened).toEqual(['a/x.jpg'])
    expect(source.details?.()).toEqual({ etag: '"a/x.jpg"', versionId: 'v1' })
    await source.release?.()
    await source.release?.()
    // It may be read again, as an image that another run held.
    expect((await source.read()).byteLength).toBe(file.length)
    expect(opened).toHaveLength(2)
  })
})

it('a large object is not fetched before its header says how much memory it needs', async () => {
  const small = await picture(1).jpeg().toBuffer()
  const whole = Buffer.concat([small, Buffer.alloc(9 * 2 ** 20)])
  const asked: (number | undefined)[] = []
  const bucket = {
    open: async (_: unknown, { bytes }: { bytes?: number } = {}) => {
      asked.push(bytes)
      return { body: Readable.from([whole.subarray(0, bytes)], { objectMode: false }), versionId: undefined }
    },
  } as unknown as InputBucket
  const spill = openSpill()
  onTestFinished(() => spill.close())
  const item = { url: 's3://shop/x.jpg', etag: '"e"', size: whole.length }
  const source = await objectSource(item, 'x.jpg', bucket, { spill })
  expect(await source.header(limits)).toMatchObject({ format: 'jpeg' })
  expect(asked).toEqual([65_536])
  expect((await source.read()).byteLength).toBe(whole.length)
  expect(asked).toEqual([65_536, undefined])
})

it('candidates of a stream come as they are found, and a manifest beside them', async () => {
  const { collect } = await bucketOf('a/x.jpg', 'a/y.jpg')
  const candidates = await collect(['s3://shop/a/'], [], { isStreamed: true })
  expect(candidates.length).toBe(0)
  const found: string[] = []
  for await (const page of candidates.more ?? []) found.push(...relatives(page))
  expect(found).toEqual(['x.jpg', 'y.jpg'])
  await expect(collect(['s3://shop/b/'], [], { isStreamed: true })).rejects.toMatchObject({
    code: 'NO_MATCH',
  })
  await expect(collect(['s3://shop/a/', 's3://shop/b/'], [], { isStreamed: true })).rejects.toThrow(
    's3://shop/b/',
  )
})

describe('an address', () => {
  it('hides its credentials, and is taken from no list', async () => {
    const spill = openSpill()
    const places = { spill, stdin: Readable.from([]), cwd: '/' }
    const remote = remoteInputs({ bucket: () => Promise.reject(new Error()), ...places })
    const options = {
      ...{ ignore: [], remote, excludeFolders: [], takesJobs: false, cwd: '/', onNotice: () => {} },
    }
    const address = 'https://anna:secret@127.0.0.1:1/a/mug.jpg?token=x&w=1'
    const [typed] = await collectInputs({ ...options, patterns: [address], stdin: Readable.from([]) })
    const shown = 'https://127.0.0.1:1/a/mug.jpg?w=1'
    expect(typed).toMatchObject({ shown, loggedPath: shown, relative: 'mug.jpg' })
    const stdin = Readable.from([Buffer.from(`${address}\n`)])
    const [listed] = await collectInputs({ ...options, patterns: ['-'], stdin })
    expect(listed).toMatchObject({ shown, loggedPath: shown })
    await expect(listed!.inspect!()).rejects.toMatchObject({ message: 'Addresses are not taken from lists.' })
  })
})

it('a spilled file is readable by its owner alone, and goes with the folder', async () => {
  const spill = openSpill()
  const path = await spill.keep(Readable.from([Buffer.alloc(10)]), 4)
  expect(await readdir(dirname(path))).toHaveLength(1)
  await spill.close()
  await expect(readdir(dirname(path))).rejects.toThrow('ENOENT')
})
