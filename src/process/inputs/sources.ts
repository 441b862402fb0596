/**
 * Addresses and a manifest as one stream of pictures, in pages, each with the place to go on from: `process` takes them
 * as they come, and a queue stores both in one transaction.
 */
import type { Readable } from 'node:stream'
import { RmbgError } from '../../errors.ts'
import type { InputBucket } from '../../store/input-bucket.ts'
import type { Spill } from '../../system/spill.ts'
import { isWebAddress } from './addresses.ts'
import { bucketPattern, holdsStore, ignoring, isMarker, matcher } from './bucket-pattern.ts'
import { type ListingCursor, listInParallel } from './listing.ts'
import { addressOf, type BrokenLine, isBroken, type SourceItem } from './manifest/entries.ts'
import type { ManifestCursor } from './manifest/pages.ts'

export type { BrokenLine, SourceItem } from './manifest/entries.ts'

export interface SourceOptions {
  /** Of the web, and `s3://bucket/key`, `s3://bucket/prefix/` or `s3://bucket/prefix/**`, as typed. */
  addresses: readonly string[]
  /** A file, `s3://bucket/key`, or `-` for standard input. It comes after the addresses. */
  manifest?: string | undefined
  /** Globs; one without a slash matches names. */
  ignore: readonly string[]
  /** Requests at once while a bucket is listed. */
  listers?: number
}

export interface SourceServices {
  /**
   * @param prefix what all keys begin with that are wanted; absent: single objects are named
   * @throws RmbgError REFUSED where the objects of this store begin so
   */
  bucket: (name: string, prefix?: string) => Promise<InputBucket>
  spill: Spill
  stdin: Readable
  cwd: string
  signal?: AbortSignal | undefined
}

/** How far sources were read, as data that JSON can hold. */
export type SourceCursor = {
  /** The place of a source among the addresses, the manifest being last. */
  source: number
  /** Within it; absent: from its begin. */
  listing?: ListingCursor
  manifest?: ManifestCursor
}

export interface SourcePage {
  /** The place of its source among the addresses, the manifest being last. */
  source: number
  /** Up to some thousand. */
  items: SourceItem[]
  /** Lines of a manifest that name no picture. */
  broken: BrokenLine[]
  /** What the keys of these items begin with that is not part of their path below `--output`. */
  base: string
  /** Whoever goes on from here gets every item behind this page, and none of those before. */
  cursor: SourceCursor
}

/**
 * Lists each address once, and reads the manifest once; memory stays flat. An object that several addresses stand for
 * comes with the first of them.
 *
 * @param from the cursor of an earlier page of the same sources
 * @throws RmbgError USAGE, REFUSED, or of family `store`
 */
export async function* sourcePages(
  { addresses, manifest, ignore, listers }: SourceOptions,
  services: SourceServices,
  from: SourceCursor = { source: 0 },
): AsyncGenerator<SourcePage> {
  const isIgnored = await ignoring(ignore)
  const earlier: { bucket: string; isWanted: (key: string) => boolean }[] = []
  for (const [source, address] of addresses.entries()) {
    const isPast = source < from.source
    if (isWebAddress(address)) {
      if (!isPast)
        yield { source, items: [{ url: address }], broken: [], base: '', cursor: { source: source + 1 } }
      continue
    }
    const pattern = bucketPattern(address)
    const bucket = await services.bucket(pattern.bucket, pattern.prefix)
    const isWanted = await matcher(pattern, bucket, services.signal)
    const others = earlier.filter(({ bucket: name }) => name === pattern.bucket)
    earlier.push({ bucket: pattern.bucket, isWanted })
    if (isPast) continue
    const listing = listInParallel(bucket, pattern.prefix, {
      ...(listers !== undefined && { listers }),
      ...(source === from.source && { from: from.listing }),
      signal: services.signal,
    })
    for await (const { objects, cursor } of listing) {
      const marker = objects.find(({ key }) => isMarker(key))
      if (marker) throw holdsStore(addressOf(pattern.bucket, marker.key))
      const wanted = objects.filter(
        ({ key }) => isWanted(key) && !isIgnored(key) && !others.some((other) => other.isWanted(key)),
      )
      const items = wanted.map(({ key, size, etag }) => ({
        ...{ url: addressOf(pattern.bucket, key), size },
        ...(etag !== '' && { etag }),
      }))
      const isEnd = cursor.ranges.length === 0
      yield {
        ...{ source, items, broken: [], base: pattern.base },
        cursor: isEnd ? { source: source + 1 } : { source, listing: cursor },
      }
    }
  }
  if (manifest !== undefined) yield* pagesOfManifest(manifest, addresses.length, isIgnored, services, from)
}

async function* pagesOfManifest(
  manifest: string,
  source: number,
  isIgnored: (key: string) => boolean,
  services: SourceServices,
  from: SourceCursor,
): AsyncGenerator<SourcePage> {
  const open = async (bucket: string, key: string) =>
    (await (await services.bucket(bucket)).open({ key })).body
  const { manifestPages } = await import('./manifest/pages.ts')
  const pages = manifestPages(
    manifest,
    { ...services, open },
    from.source === source ? from.manifest : undefined,
  )
  for await (const { entries, cursor } of pages) {
    const items: SourceItem[] = []
    const broken: BrokenLine[] = []
    for (const entry of entries) {
      if (isBroken(entry)) broken.push(entry)
      else if (!isIgnored(pathOf(entry.url))) items.push(entry)
    }
    yield { source, items, broken, base: '', cursor: { source, manifest: cursor } }
  }
}

/** A key, or the path of an address of the web. */
const pathOf = (url: string): string =>
  url.replace(/^\w+:\/\/[^/]+\//, '').replace(isWebAddress(url) ? /[?#].*$/s : '', '')

/** @throws RmbgError USAGE for text that begins like an address and is none */
export function assertAddress(address: string): void {
  if (URL.canParse(address)) return
  throw new RmbgError('USAGE', 'An input begins like an address, and is none.')
}
