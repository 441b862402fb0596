/** Pictures that are no files of this machine, as sources: looked at, and fetched when their turn comes. */
import { readFile, stat } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import { type HeaderLimits, type ImageHeader, readHeader } from '../../cutout/codec/header.ts'
import { RmbgError } from '../../errors.ts'
import type { InputBucket } from '../../store/input-bucket.ts'
import { referenceTo } from '../../store/referenced.ts'
import type { Spill } from '../../system/spill.ts'
import { maxFileBytes, pictureFile, type Source } from '../source.ts'
import { timeOfChange, timeOfEtag } from './addresses.ts'
import { kindOf } from './beginnings.ts'
import type { SourceItem } from './manifest/entries.ts'
import type { Web } from './web.ts'

/** Larger objects are not fetched before there is memory for them: their first bytes say how much that is. */
const largeBytes = 8 * 2 ** 20
const headBytes = 64 * 1024

/**
 * An object, as it was when it was listed. What the item does not say of it is asked for.
 *
 * @param item whose address is that of an object
 * @throws RmbgError INPUT_NOT_FOUND, INPUT_EMPTY, INPUT_TOO_LARGE, or of family `store`
 */
export async function objectSource(
  item: SourceItem,
  key: string,
  bucket: InputBucket,
  { spill }: { spill: Spill },
): Promise<Source> {
  const { versionId: wanted } = item
  const name = { key, ...(wanted !== undefined && { versionId: wanted }) }
  const isKnown = item.etag !== undefined && item.size !== undefined
  const found = isKnown ? undefined : await bucket.look(name)
  const etag = item.etag ?? found?.etag ?? ''
  const size = item.size ?? found?.size ?? 0
  assertSize(size)
  let versionId = wanted
  const open = async (bytes?: number) => {
    const opened = await bucket.open({ ...name, etag }, bytes === undefined ? {} : { bytes })
    versionId = opened.versionId ?? wanted
    return opened.body
  }
  const mtimeNs = etag === '' ? timeOfChange(found?.lastModified.getTime() ?? 0) : timeOfEtag(etag, wanted)
  const details = () => ({ ...(etag !== '' && { etag }), ...(versionId !== undefined && { versionId }) })
  const file = fetched(async () => spill.keep(await open(), maxFileBytes), size, spill)
  const header = async (limits: HeaderLimits) =>
    (size > largeBytes ? await headerOfBegin(() => open(headBytes), limits) : undefined) ??
    file.header(limits)
  return { path: item.url, size, mtimeNs, ...file, header, details, reference: referenceTo(item.url) }
}

/** Formats whose first bytes say all that a header does; others may say more further behind. */
const frontal: readonly string[] = ['JPEG', 'PNG']

/** @returns undefined where the begin does not tell */
async function headerOfBegin(
  open: () => Promise<AsyncIterable<Uint8Array>>,
  limits: HeaderLimits,
): Promise<ImageHeader | undefined> {
  const begin = await buffer(await open())
  if (!frontal.includes(kindOf(begin)?.name ?? '')) return undefined
  try {
    // What else is in the file may lie behind that.
    const { metadata: _, ...header } = await readHeader(begin, limits)
    return header
  } catch (error) {
    // A picture that is too large is so at its begin as well. Everything else may be for want of the rest.
    if (error instanceof RmbgError && error.code === 'INPUT_TOO_LARGE') throw error
    return undefined
  }
}

/** @param shown the address as it is logged */
export async function webSource(
  { url, etag: known, size: knownSize }: SourceItem,
  shown: string,
  { web, spill }: { web: Web; spill: Spill },
): Promise<Source> {
  const isKnown = known !== undefined && knownSize !== undefined
  const found = isKnown ? { etag: known, size: knownSize, modifiedMs: undefined } : await web.look(url)
  const etag = known ?? found.etag
  const { modifiedMs } = found
  const size = knownSize ?? found.size
  if (size !== undefined) assertSize(size)
  // Who says what it has to be gets that, or nothing.
  const ifMatch = known !== undefined && !known.startsWith('W/') ? known : undefined
  const keep = () => web.fetch(url, (bytes) => spill.keep(bytes, maxFileBytes), { ifMatch })
  const file = fetched(keep, size, spill)
  return {
    ...{ path: shown, mtimeNs: timeOfWeb(etag, modifiedMs), ...file },
    details: (): Record<string, string> => (etag === '' ? {} : { etag }),
    get size() {
      return size ?? file.bytes()
    },
  }
}

/** Without ETag and time, nobody can tell whether it is still the same. */
function timeOfWeb(etag: string, modifiedMs: number | undefined): bigint {
  if (etag !== '') return timeOfEtag(etag)
  return timeOfChange(modifiedMs ?? Date.now())
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
