/** Buckets that are watched: which of their objects are meant, what lies there, and what one of them is like now. */
import { RmbgError } from '../../errors.ts'
import type { InputBucket } from '../../store/input-bucket.ts'
import type { Candidate } from '../inputs.ts'
import { type BucketPattern, bucketPattern, ignoring, matcher } from './bucket-pattern.ts'
import { addressOf, type SourceItem } from './manifest/entries.ts'
import type { RemoteInputs } from './remote.ts'
import { type SourceServices, sourcePages } from './sources.ts'

export interface WatchedObject {
  candidate: Candidate
  /** Another one when the object is another one. */
  identity: string
}

export interface WatchedBuckets {
  /** Whether one of the addresses stands for this object. */
  covers(bucket: string, key: string): boolean
  /**
   * The object as it is now.
   *
   * @returns undefined where there is none, or no address stands for it
   * @throws RmbgError of family `store`
   */
  look(bucket: string, key: string): Promise<WatchedObject | undefined>
  /**
   * All objects that the addresses stand for, each once, page by page, in no order.
   *
   * @throws RmbgError of family `store`; REFUSED where a store of ours lies among them
   */
  list(signal: AbortSignal): AsyncIterable<readonly WatchedObject[]>
}

/**
 * @param addresses `s3://bucket/prefix/` or `s3://bucket/prefix/**`, as typed
 * @param ignore globs; one without a slash matches names
 * @throws RmbgError USAGE, REFUSED where the objects of this store lie there, or of family `store`
 */
export async function openWatchedBuckets(
  addresses: readonly string[],
  ignore: readonly string[],
  services: SourceServices & { remote: Pick<RemoteInputs, 'candidateOf'> },
): Promise<WatchedBuckets> {
  const isIgnored = await ignoring(ignore)
  const watched: Watched[] = []
  for (const address of addresses) {
    const pattern = bucketPattern(address)
    const bucket = await services.bucket(pattern.bucket, pattern.prefix)
    const isWanted = await matcher(pattern, bucket, services.signal)
    watched.push({ pattern, bucket, isWanted: (key) => isWanted(key) && !isIgnored(key) })
  }
  const of = (name: string, key: string) =>
    watched.find(({ pattern, isWanted }) => pattern.bucket === name && isWanted(key))
  const objectOf = (item: SourceItem, base: string): WatchedObject => ({
    candidate: services.remote.candidateOf(item, base),
    identity: `${item.etag ?? ''} ${item.size ?? ''}`,
  })
  return {
    covers: (bucket, key) => of(bucket, key) !== undefined,
    look: async (name, key) => {
      const found = of(name, key)
      if (!found) return undefined
      const { bucket, pattern } = found
      const url = addressOf(name, key)
      try {
        const { size, etag } = await bucket.look({ key })
        return objectOf({ url, size, ...(etag !== '' && { etag }) }, pattern.base)
      } catch (error) {
        if (!(error instanceof RmbgError) || error.family !== 'image') throw error
        if (error.code === 'INPUT_NOT_FOUND') return undefined
        // It fails alone, as one that is listed and may not be read.
        const { candidate } = objectOf({ url }, pattern.base)
        return { candidate: { ...candidate, inspect: () => Promise.reject(error) }, identity: error.code }
      }
    },
    list: async function* (signal) {
      for await (const { items, base } of sourcePages({ addresses, ignore }, { ...services, signal }))
        yield items.map((item) => objectOf(item, base))
    },
  }
}

interface Watched {
  pattern: BucketPattern
  bucket: InputBucket
  isWanted: (key: string) => boolean
}
