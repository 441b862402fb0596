import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { GetOptions, ObjectStore, ObjectStream } from './contract.ts'
import { isDamage } from './verified.ts'

export interface RetryOptions {
  /** Tries in a row that bring no byte before a read fails. Default: 6. */
  attempts?: number
  /** Before the second try; doubles from one to the next. Default: 200. */
  pauseMs?: number
}

/**
 * A store that continues a read where it broke off, as long as the object is the same one.
 *
 * Only reads: a driver repeats its own requests, because nobody else can. A stream that is put, for one, is gone once it
 * was read, while the driver still has the part that failed.
 */
export function retryingReads(store: ObjectStore, options: RetryOptions = {}): ObjectStore {
  return {
    ...store,
    get: async (key, wanted = {}) => {
      const first = await store.get(key, wanted)
      const chunks = continued(first, (from) => store.get(key, { ...wanted, from }), wanted, options)
      const stream = Readable.from(chunks, { objectMode: false })
      return first.etag === undefined ? stream : Object.assign(stream, { etag: first.etag })
    },
  }
}

async function* continued(
  first: ObjectStream,
  open: (from: NonNullable<GetOptions['from']>) => Promise<ObjectStream>,
  { from, signal }: GetOptions,
  { attempts = 6, pauseMs = 200 }: RetryOptions,
): AsyncGenerator<Uint8Array> {
  let offset = from?.offset ?? 0
  let fruitless = 0
  for (let stream = first; ; ) {
    const chunks: AsyncIterator<Uint8Array> = stream[Symbol.asyncIterator]()
    let failure: unknown
    try {
      for (;;) {
        // Caught here and not around the loop: what a consumer throws at the `yield` is not a failure to read.
        const next = await chunks.next().catch((cause) => {
          failure = cause
        })
        if (!next || next.done) break
        offset += next.value.length
        fruitless = 0
        yield next.value
      }
    } finally {
      await chunks.return?.()
    }
    if (failure === undefined) return
    if (isFinal(failure) || ++fruitless === attempts) throw failure
    await sleep(pauseMs * 2 ** (fruitless - 1), undefined, { signal })
    stream = await open({ offset, etag: first.etag })
  }
}

/** Damage is found at the end, where nothing is left to continue with. */
const isFinal = (failure: unknown): boolean => (failure as Error).name === 'AbortError' || isDamage(failure)
