/** Buckets that are watched: which of their objects are meant, what lies there, and what one of them is like now. */
import { RmbgError } from '../../errors.ts'
import type { InputBucket, ListedObject } from '../../store/input-bucket.ts'
import type { Spill } from '../../system/spill.ts'
import type { Candidate } from '../inputs.ts'
import {
  type BucketPattern,
  bucketPattern,
  holdsStore,
  ignoring,
  isMarker,
  matcher,
} from './bucket-pattern.ts'
import { objectCandidate } from './remote.ts'

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
   * All objects that the addresses stand for, each once, page by page.
   *
   * @throws RmbgError of family `store`; REFUSED where a store of ours lies among them
   */
  list(signal: AbortSignal): AsyncIterable<readonly WatchedObject[]>
}

interface Services {
  /** @param prefix what all keys begin with */
  bucket: (name: string, prefix: string) => Promise<InputBucket>
  spill: Spill
  signal: AbortSignal
}

/** Objects of a page of a list. */
const pageSize = 500

/**
 * @param addresses `s3://bucket/prefix/` or `s3://bucket/prefix/**`, as typed
 * @param ignore globs; one without a slash matches names
 * @throws RmbgError USAGE, REFUSED where the objects of this store lie there, or of family `store`
 */
export async function openWatchedBuckets(
  addresses: readonly string[],
  ignore: readonly string[],
  services: Services,
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
  const objectOf = (object: ListedObject, { pattern, bucket }: Watched): WatchedObject => ({
    candidate: objectCandidate(object, pattern, bucket, services),
    identity: `${object.etag} ${object.size}`,
  })
  return {
    covers: (bucket, key) => of(bucket, key) !== undefined,
    look: async (bucket, key) => {
      const found = of(bucket, key)
      if (!found) return undefined
      try {
        return objectOf(await found.bucket.look({ key }), found)
      } catch (error) {
        if (!(error instanceof RmbgError) || error.family !== 'image') throw error
        if (error.code === 'INPUT_NOT_FOUND') return undefined
        const { candidate } = objectOf({ key, size: 0, etag: '', lastModified: new Date(0) }, found)
        // It fails alone, as one that is listed and may not be read.
        return { candidate: { ...candidate, inspect: () => Promise.reject(error) }, identity: error.code }
      }
    },
    list: async function* (signal) {
      for (const each of watched) {
        const { pattern } = each
        let page: WatchedObject[] = []
        for await (const object of each.bucket.list(pattern.prefix, signal)) {
          if (isMarker(object.key)) throw holdsStore(`s3://${pattern.bucket}/${object.key}`)
          if (of(pattern.bucket, object.key) !== each) continue
          page.push(objectOf(object, each))
          if (page.length < pageSize) continue
          yield page
          page = []
        }
        yield page
      }
    },
  }
}

interface Watched {
  pattern: BucketPattern
  bucket: InputBucket
  isWanted: (key: string) => boolean
}
