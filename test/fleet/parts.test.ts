/** The small parts of a fleet that need no server. */
import { expect, it } from 'vitest'
import type { Database } from '../../src/database/contract.ts'
import { openQueue } from '../../src/database/queue.ts'
import { candidatesFrom } from '../../src/fleet/candidates.ts'
import { shownItem } from '../../src/fleet/contract.ts'
import { shardsOf } from '../../src/fleet/enqueue.ts'
import { inputNames } from '../../src/fleet/list-inputs.ts'
import { prefetcher } from '../../src/fleet/prefetch.ts'
import { recipeFromJson, recipeToJson } from '../../src/fleet/recipe.ts'
import type { ReadableImage } from '../../src/process/contract.ts'
import { resolveCutout } from '../../src/settings/cutout-settings.ts'

it('an embedded database is refused in one sentence, and so is a Node that pg-boss does not run on', async () => {
  await expect(openQueue({ kind: 'embedded' } as Database)).rejects.toThrow('DATABASE_URL is not set')
  const { node } = process.versions
  Object.defineProperty(process.versions, 'node', { value: '22.11.0', configurable: true })
  try {
    await expect(openQueue({ kind: 'server' } as Database)).rejects.toThrow(
      'need Node 22.12 or newer, and this is 22.11.0.',
    )
  } finally {
    Object.defineProperty(process.versions, 'node', { value: node, configurable: true })
  }
})

it('a recipe travels as JSON, with its background picture', async () => {
  const { options } = await resolveCutout({
    background: 'samples/photos/ball.jpg',
    size: { width: 100, height: undefined },
    format: 'webp',
  })
  const { background, ...rest } = recipeFromJson(
    JSON.parse(JSON.stringify(recipeToJson({ ...options, rules: undefined }))),
  )
  const { background: before, ...restBefore } = options
  expect(rest).toEqual(JSON.parse(JSON.stringify(restBefore)))
  if (!background || !('picture' in background) || !before || !('picture' in before))
    throw new Error('no picture')
  expect(Buffer.from(background.picture).equals(Buffer.from(before.picture))).toBe(true)
})

it('items become shards of so many, in their order', () => {
  const items = [1, 2, 3].map((each) => ({ path: `/photos/${each}.jpg`, below: 8 }))
  const shards = shardsOf({ campaignId: 'c', priority: 7 }, items, 2)
  expect(shards).toEqual([
    { data: { campaign: 'c', items: items.slice(0, 2) }, priority: 7 },
    { data: { campaign: 'c', items: items.slice(2) }, priority: 7 },
  ])
})

it('an item is the candidate that it was made of', async () => {
  const candidateOf = candidatesFrom({
    candidateOf: ({ url }, base) => ({
      path: url,
      shown: url,
      relative: url.slice('s3://b/'.length + base.length),
    }),
  })
  const settings = { outputBucket: { name: 'b', prefix: 'cut/', ending: '.png' } }
  expect(candidateOf({ path: '/mnt/photos/a/b.jpg', below: 12 }, settings)).toMatchObject({
    ...{ path: '/mnt/photos/a/b.jpg', relative: 'a/b.jpg' },
  })
  expect(candidateOf({ url: 's3://b/photos/a.jpg', below: 7 }, settings)).toMatchObject({ relative: 'a.jpg' })
  const broken = { broken: { manifest: 'list.csv', line: 3, problem: 'it has no url' } }
  await expect(candidateOf(broken, settings).inspect?.()).rejects.toThrow('Line 3 of the manifest')
  const own = candidateOf({ url: 's3://b/cut/a.png', below: 0 }, settings)
  await expect(own.inspect?.()).rejects.toThrow('where the cut-outs of the campaign go')
})

it('credentials of an address are shown to nobody', () => {
  const shown = shownItem({ url: 'https://shop.example/a.jpg?X-Amz-Signature=0123456789', below: 0 })
  expect(shown).toBe('https://shop.example/a.jpg')
})

it('inputs keep their names wherever the command is run again', () => {
  const names = inputNames(['photos', '/mnt/a', 's3://shop/a/'], 'list.ndjson', '/work')
  expect(names).toEqual(['/work/photos', '/mnt/a', 's3://shop/a/', 'manifest:/work/list.ndjson'])
})

it('files are read ahead as far as there is room, and once', async () => {
  let reads = 0
  const image = (size: number) =>
    ({
      candidate: { path: 'a', shown: 'a', relative: 'a' },
      source: {
        path: 'a',
        size,
        mtimeNs: 0n,
        read: async () => new Uint8Array(++reads),
        header: async () => ({}),
      },
    }) as unknown as ReadableImage
  const prefetch = prefetcher(100)
  const first = prefetch.begin(image(80)) as ReadableImage
  expect([reads, prefetch.held()]).toEqual([1, 80])
  const second = prefetch.begin(image(80)) as ReadableImage
  expect([reads, prefetch.held()]).toEqual([1, 80])
  await first.source.read()
  expect(reads).toBe(1)
  await first.source.release?.()
  await first.source.release?.()
  expect(prefetch.held()).toBe(0)
  await second.source.read()
  expect(reads).toBe(2)
})
