import { setImmediate } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { type ListingCursor, listInParallel } from '../../src/process/inputs/listing.ts'
import type { ListedObject, PageRequest } from '../../src/store/input-bucket.ts'

const compare = (one: string, other: string) => Buffer.compare(Buffer.from(one), Buffer.from(other))
const object = (key: string): ListedObject => ({ key, size: 1, etag: '"e"', lastModified: new Date(0) })

/** A bucket that answers as S3 does, and what it was asked. */
function bucketOf(keys: string[], pageSize = 10) {
  const sorted = [...keys].sort(compare)
  const asked: PageRequest[] = []
  let inWork = 0
  let most = 0
  const page = async (request: PageRequest) => {
    asked.push(request)
    most = Math.max(most, ++inWork)
    await setImmediate()
    inWork--
    const { prefix, after = '', byFolder } = request
    const found = sorted.filter((key) => key.startsWith(prefix) && compare(key, after) > 0)
    const entries: { folder?: string; key?: string }[] = []
    for (const key of found) {
      const slash = byFolder ? key.indexOf('/', prefix.length) : -1
      const folder = slash === -1 ? undefined : key.slice(0, slash + 1)
      if (folder === undefined) entries.push({ key })
      else if (entries.at(-1)?.folder !== folder) entries.push({ folder })
      if (entries.length > pageSize) break
    }
    const shown = entries.slice(0, pageSize)
    return {
      objects: shown.flatMap(({ key }) => (key === undefined ? [] : object(key))),
      folders: shown.flatMap(({ folder }) => folder ?? []),
      isCut: entries.length > pageSize,
    }
  }
  return { bucket: { page }, asked, most: () => most }
}

const tree = (folders: number, files: number, prefix = 'photos/') =>
  Array.from({ length: folders }, (_, folder) =>
    Array.from({ length: files }, (_, file) => `${prefix}${String(folder).padStart(3, '0')}/${file}.jpg`),
  ).flat()

async function listed(bucket: ReturnType<typeof bucketOf>['bucket'], prefix: string, from?: ListingCursor) {
  const keys: string[] = []
  for await (const { objects } of listInParallel(bucket, prefix, { listers: 8, from }))
    keys.push(...objects.map(({ key }) => key))
  return keys
}

describe('a listing by many at once', () => {
  it.each([
    ['folders of one level', tree(40, 30)],
    ['a deep tree', tree(6, 30, 'photos/2026/').concat(tree(6, 30, 'photos/2027/a/b/'))],
    ['one flat folder', Array.from({ length: 300 }, (_, file) => `photos/${file}.jpg`)],
    [
      'folders, files between them, and keys that are called like folders',
      [
        ...tree(12, 25),
        ...Array.from({ length: 40 }, (_, index) => `photos/${String(index).padStart(3, '0')}-x.jpg`),
        ...[
          'photos/001/',
          'photos/005/',
          'photos/',
          'photos/ü/é.jpg',
          'photos/\u{1F600}/a.jpg',
          'photos/\uFF01/b.jpg',
        ],
      ],
    ],
    ['nothing', []],
  ])('gives each key once: %s', async (_, keys) => {
    const { bucket } = bucketOf([...keys, 'other/x.jpg', 'photo'])
    expect((await listed(bucket, 'photos/')).sort(compare)).toEqual([...keys].sort(compare))
  })

  it('is done by several where there are folders, and by one request where there is one page', async () => {
    const wide = bucketOf(tree(40, 30))
    await listed(wide.bucket, 'photos/')
    expect(wide.most()).toBeGreaterThan(4)
    expect(wide.most()).toBeLessThanOrEqual(8)
    const small = bucketOf(tree(3, 3))
    await listed(small.bucket, 'photos/')
    expect(small.asked).toHaveLength(1)
  })

  it('goes on from where it stood, and gives no key twice', async () => {
    const keys = tree(20, 25)
    const { bucket } = bucketOf(keys)
    const found: string[] = []
    let from: ListingCursor | undefined
    // A new process for each two pages.
    while (from === undefined || from.ranges.length > 0) {
      let pages = 0
      for await (const { objects, cursor } of listInParallel(bucket, 'photos/', { listers: 4, from })) {
        found.push(...objects.map(({ key }) => key))
        from = JSON.parse(JSON.stringify(cursor))
        if (++pages === 2) break
      }
    }
    expect(found.sort(compare)).toEqual(keys.sort(compare))
  })

  it('of a million keys takes the memory of some pages', async () => {
    const folders = 50
    const files = 20_000
    const keyOf = (index: number) =>
      `p/${String(Math.floor(index / files)).padStart(3, '0')}/${String(index % files).padStart(6, '0')}.jpg`
    /** The first key behind a text. */
    const behind = (after: string) => {
      let [low, high] = [0, folders * files]
      while (low < high) {
        const middle = (low + high) >> 1
        if (keyOf(middle) > after) high = middle
        else low = middle + 1
      }
      return low
    }
    const page = async ({ after = '', byFolder }: PageRequest) => {
      const begin = behind(after)
      if (byFolder) {
        const next = Math.floor(begin / files)
        const names = Array.from(
          { length: folders - next },
          (_, index) => `p/${String(next + index).padStart(3, '0')}/`,
        )
        return { objects: [], folders: names, isCut: false }
      }
      const objects = Array.from({ length: Math.min(1000, folders * files - begin) }, (_, index) =>
        object(keyOf(begin + index)),
      )
      return { objects, folders: [], isCut: begin + 1000 < folders * files }
    }
    let count = 0
    let most = 0
    for await (const { objects, cursor } of listInParallel({ page }, 'p/')) {
      count += objects.length
      if (count % 50_000 === 0) most = Math.max(most, process.memoryUsage().heapUsed)
      expect(cursor.ranges.length).toBeLessThanOrEqual(64)
    }
    expect(count).toBe(folders * files)
    expect(most / 2 ** 20).toBeLessThan(300)
  })

  it('ends with the first error, and asks nothing more', async () => {
    const { bucket, asked } = bucketOf(tree(40, 30))
    const failing = {
      page: async (request: PageRequest) => {
        if (asked.length > 5) throw new Error('away')
        return bucket.page(request)
      },
    }
    await expect(listed(failing, 'photos/')).rejects.toThrow('away')
  })
})
