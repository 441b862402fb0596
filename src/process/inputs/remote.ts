/** Inputs that are no files of this machine: found, looked at, and fetched when their turn comes. */
import { closeSync, openSync, readSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { posix } from 'node:path'
import { type HeaderLimits, readHeader } from '../../cutout/codec/header.ts'
import { RmbgError } from '../../errors.ts'
import type { InputBucket, ListedObject } from '../../store/input-bucket.ts'
import type { Patience } from '../../system/patience.ts'
import type { Spill } from '../../system/spill.ts'
import type { Candidate } from '../inputs.ts'
import { maxFileBytes, pictureFile, type Source } from '../source.ts'
import { nameOfAddress, safeRelative, shownAddress, timeOf } from './addresses.ts'
import {
  type BucketPattern,
  bucketPattern,
  holdsStore,
  ignoring,
  isMarker,
  matcher,
} from './bucket-pattern.ts'
import type { Web } from './web.ts'

export interface RemoteInputs {
  /** The picture at an address of the web. */
  webCandidate(address: string): Candidate
  /**
   * Lists what an address of a bucket stands for: an object, the pictures below a prefix, or what a glob matches. The
   * list lies on disk.
   *
   * @param ignore globs; one without a slash matches names
   * @throws RmbgError of family `store`; REFUSED where the objects are those of a store of ours
   */
  bucketCandidates(pattern: string, ignore: readonly string[]): Promise<Listing>
  close(): Promise<void>
}

/** Candidates that lie on disk, and may be gone through again. */
export interface Listing extends Iterable<Candidate> {
  readonly length: number
}

interface RemoteServices {
  /** @param prefix what all keys begin with */
  bucket: (name: string, prefix: string) => Promise<InputBucket>
  spill: Spill
  /** With servers of the web that are busy or away: a new one for each; none by default. */
  patience?: () => Patience
  /** Ends listings. What is in work is fetched to its end. */
  signal?: AbortSignal
}

export function remoteInputs(services: RemoteServices): RemoteInputs {
  const listed: { bucket: string; isWanted: (key: string) => boolean }[] = []
  let web: Promise<Web> | undefined
  // Its HTTP client is a hundred files, which most runs do without.
  const openedWeb = () => {
    const patience = services.patience && { patience: services.patience }
    web ??= import('./web.ts').then(({ openWeb }) => openWeb(patience))
    return web
  }
  return {
    close: async () => (await web)?.close(),
    webCandidate: (address) => {
      const shown = shownAddress(address)
      const inspect = async () => webSource(address, shown, { web: await openedWeb(), ...services })
      return { path: address, shown, loggedPath: shown, relative: nameOfAddress(address), inspect }
    },
    bucketCandidates: async (text, ignore) => {
      const pattern = bucketPattern(text)
      const bucket = await services.bucket(pattern.bucket, pattern.prefix)
      const isWanted = await matcher(pattern, bucket, services.signal)
      const isIgnored = await ignoring(ignore)
      const earlier = listed.filter((other) => other.bucket === pattern.bucket)
      listed.push({ bucket: pattern.bucket, isWanted })
      const wanted = async function* () {
        for await (const object of bucket.list(pattern.prefix, services.signal)) {
          const { key } = object
          if (isMarker(key)) throw holdsStore(`s3://${pattern.bucket}/${key}`)
          if (isWanted(key) && !isIgnored(key) && !earlier.some((other) => other.isWanted(key))) yield object
        }
      }
      const candidate = (object: ListedObject) => objectCandidate(object, pattern, bucket, services)
      return keepListing(wanted(), candidate, services.spill)
    },
  }
}

/** Bytes that are read from the list at a time. */
const chunkBytes = 2 ** 16

async function keepListing(
  objects: AsyncIterable<ListedObject>,
  candidate: (object: ListedObject) => Candidate,
  spill: Spill,
): Promise<Listing> {
  let length = 0
  const lines = async function* () {
    for await (const { key, size, etag, lastModified } of objects) {
      length++
      yield Buffer.from(`${JSON.stringify([key, size, etag, lastModified.getTime()])}\n`)
    }
  }
  const path = await spill.keep(lines(), Number.MAX_SAFE_INTEGER)
  return {
    length,
    *[Symbol.iterator]() {
      for (const line of linesOf(path)) {
        const [key, size, etag, modifiedMs] = JSON.parse(line) as [string, number, string, number]
        yield candidate({ key, size, etag, lastModified: new Date(modifiedMs) })
      }
    },
  }
}

function* linesOf(path: string): Generator<string> {
  const file = openSync(path, 'r')
  try {
    const chunk = Buffer.alloc(chunkBytes)
    let rest = Buffer.alloc(0)
    for (let read = readSync(file, chunk); read > 0; read = readSync(file, chunk)) {
      const bytes = Buffer.concat([rest, chunk.subarray(0, read)])
      const end = bytes.lastIndexOf(10) + 1
      rest = bytes.subarray(end)
      for (const line of bytes.toString('utf8', 0, end).split('\n')) if (line !== '') yield line
    }
  } finally {
    closeSync(file)
  }
}

export function objectCandidate(
  object: ListedObject,
  pattern: BucketPattern,
  bucket: InputBucket,
  services: Pick<RemoteServices, 'spill'>,
): Candidate {
  const address = `s3://${pattern.bucket}/${object.key}`
  const relative = safeRelative(object.key.slice(pattern.base.length)) || posix.basename(object.key)
  const inspect = async () => objectSource(address, object, bucket, services)
  return { path: address, shown: address, loggedPath: address, relative, inspect }
}

async function objectSource(
  address: string,
  object: ListedObject,
  bucket: InputBucket,
  { spill }: Pick<RemoteServices, 'spill'>,
): Promise<Source> {
  const { key, size, etag, lastModified } = object
  assertSize(size)
  let versionId: string | undefined
  const keep = async () => {
    const opened = await bucket.open({ key, etag })
    versionId = opened.versionId
    return spill.keep(opened.body, maxFileBytes)
  }
  const facts = { path: address, size, mtimeNs: timeOf(lastModified.getTime(), etag) }
  const details = () => ({ ...(etag !== '' && { etag }), ...(versionId !== undefined && { versionId }) })
  return { ...facts, ...fetched(keep, size, spill), details }
}

async function webSource(
  address: string,
  shown: string,
  { web, spill }: { web: Web; spill: Spill },
): Promise<Source> {
  const { size, etag, modifiedMs } = await web.look(address)
  if (size !== undefined) assertSize(size)
  const keep = () => web.fetch(address, (bytes) => spill.keep(bytes, maxFileBytes))
  // Without either, nobody can tell whether it is still the same.
  const isKnown = etag !== '' || modifiedMs !== undefined
  const mtimeNs = isKnown ? timeOf(modifiedMs ?? 0, etag) : BigInt(Date.now()) * 1_000_000n
  const details = (): Record<string, string> => (etag === '' ? {} : { etag })
  const file = fetched(keep, size, spill)
  return {
    ...{ path: shown, mtimeNs, ...file, details },
    get size() {
      return size ?? file.bytes()
    },
  }
}

function assertSize(size: number): void {
  if (size === 0) throw new RmbgError('INPUT_EMPTY', 'The file is empty (0 bytes).')
  if (size > maxFileBytes) throw new RmbgError('INPUT_TOO_LARGE', 'The file is larger than 2 GiB.')
}

/**
 * The bytes, on disk from when they are first asked for until they are released.
 *
 * @param keep puts them there, and returns the path
 */
function fetched(
  keep: () => Promise<string>,
  size: number | undefined,
  spill: Spill,
): Pick<Source, 'header' | 'read' | 'release'> & { bytes(): number } {
  let keeping: Promise<string> | undefined
  let bytes = 0
  const fetch = async () => {
    const path = await keep()
    bytes = (await stat(path)).size
    return path
  }
  const file = async () => {
    keeping ??= fetch()
    const path = await keeping
    assertSize(bytes)
    return path
  }
  return {
    /** 0 until they are there. */
    bytes: () => bytes,
    header: async (limits: HeaderLimits) => readHeader(pictureFile(await file()), limits),
    read: async () => {
      const bytes = await readFile(await file())
      if (size === undefined || bytes.byteLength === size) return bytes
      throw new RmbgError('INPUT_CHANGED', 'The picture changed while it was being fetched.', {
        hint: 'Run the command again.',
      })
    },
    release: async () => {
      const kept = await keeping?.catch(() => undefined)
      keeping = undefined
      if (kept !== undefined) await spill.remove(kept)
    },
  }
}
