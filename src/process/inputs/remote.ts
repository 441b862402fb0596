/** Inputs that are no files of this machine: addresses and manifests become candidates. */
import pLimit from 'p-limit'
import { RmbgError } from '../../errors.ts'
import type { InputBucket } from '../../store/input-bucket.ts'
import type { Patience } from '../../system/patience.ts'
import type { Candidate } from '../inputs.ts'
import { isWebAddress, nameOfAddress, safeRelative, shownAddress } from './addresses.ts'
import { objectSource, webSource } from './elsewhere.ts'
import { keptPages } from './kept-pages.ts'
import {
  type BrokenLine,
  type SourceItem,
  type SourceOptions,
  type SourcePage,
  type SourceServices,
  sourcePages,
} from './sources.ts'
import type { Web } from './web.ts'

export interface RemoteInputs {
  /** The picture at an address of the web. */
  webCandidate(address: string): Candidate
  /**
   * All candidates, listed to the end; the list lies on disk. Those of a bucket are in the order of their keys, those of
   * a manifest in the order of its lines.
   *
   * @returns with how many there are of each source, the manifest being last
   * @throws RmbgError what `sourcePages` throws
   */
  listing(options: SourceOptions): Promise<Listing & { perSource: readonly number[] }>
  /** The same as they are found: no list is kept, and no order is promised. */
  stream(options: SourceOptions): AsyncGenerator<Candidate[]>
  /** @param base what its key begins with that is not part of its path below `--output` */
  candidateOf(item: SourceItem, base: string): Candidate
  close(): Promise<void>
}

/** Candidates that lie on disk, and may be gone through again. */
export interface Listing extends Iterable<Candidate> {
  readonly length: number
}

export interface RemoteServices extends SourceServices {
  /** Whether an object is one of this store's own: none of those is an input. */
  isOwn?: (bucket: string, key: string) => boolean
  /** Whether an object lies where cut-outs go: it is no input either. */
  isOutput?: (bucket: string, key: string) => boolean
  /** With servers of the web that are busy or away: a new one for each; none by default. */
  patience?: () => Patience
}

/** Objects that nothing is known of are asked about, so many at once. */
const mostLooks = 16

/** @param services whose signal ends listings; what is in work is fetched to its end */
export function remoteInputs(services: RemoteServices): RemoteInputs {
  let web: Promise<Web> | undefined
  // Its HTTP client is a hundred files, which most runs do without.
  const openedWeb = () => {
    const patience = services.patience && { patience: services.patience }
    web ??= import('./web.ts').then(({ openWeb }) => openWeb(patience))
    return web
  }
  const buckets = new Map<string, Promise<InputBucket>>()
  const opened = (name: string) => {
    const bucket = buckets.get(name) ?? services.bucket(name)
    buckets.set(name, bucket)
    return bucket
  }
  const looks = pLimit(mostLooks)
  const candidateOf = (item: SourceItem, base: string): Candidate => {
    const { url } = item
    if (isWebAddress(url)) {
      const shown = shownAddress(url)
      const inspect = async () => webSource(item, shown, { web: await openedWeb(), ...services })
      return { path: url, shown, loggedPath: shown, relative: nameOfAddress(url), inspect }
    }
    const [, bucket = '', key = ''] = /^s3:\/\/([^/]+)\/(.*)$/is.exec(url) ?? []
    const relative = safeRelative(key.slice(base.length)) || safeRelative(key)
    const inspect = async () => {
      if (services.isOwn?.(bucket, key)) throw ownObject()
      if (services.isOutput?.(bucket, key))
        throw new RmbgError('INPUT_UNSUPPORTED', 'This object lies where --output puts cut-outs.')
      const look = async () => objectSource(item, key, await opened(bucket), services)
      return item.etag === undefined || item.size === undefined ? looks(look) : look()
    }
    return { path: url, shown: url, loggedPath: url, relative, inspect }
  }
  const candidatesOf = ({ items, broken, base }: Pick<SourcePage, 'items' | 'broken' | 'base'>) => [
    ...broken.map(brokenCandidate),
    ...items.map((item) => candidateOf(item, base)),
  ]
  return {
    candidateOf,
    webCandidate: (url) => candidateOf({ url }, ''),
    close: async () => (await web)?.close(),
    listing: async (options) => {
      const { pages, counts } = await keptPages(sourcePages(options, services), services.spill)
      return {
        perSource: counts,
        length: counts.reduce((sum, count) => sum + count, 0),
        *[Symbol.iterator]() {
          for (const page of pages) yield* candidatesOf(page)
        },
      }
    },
    stream: async function* (options) {
      for await (const page of sourcePages(options, services)) yield candidatesOf(page)
    },
  }
}

const ownObject = (): RmbgError =>
  new RmbgError('INPUT_UNSUPPORTED', 'This is an object of this store, and no input.', {
    hint: 'To make new cut-outs of stored originals, use --from-mask.',
  })

/** It fails by name, and alone. */
function brokenCandidate({ manifest, line, problem }: BrokenLine): Candidate {
  const shown = `${manifest}:${line}`
  const inspect = async () => {
    throw new RmbgError('INPUT_UNSUPPORTED', `Line ${line} of the manifest names no picture: ${problem}.`)
  }
  return { path: shown, shown, loggedPath: shown, relative: shown, inspect }
}
