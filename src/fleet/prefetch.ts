/** Reads the files of the next images while others are in work, as far as there is room for them. */
import { readHeader } from '../cutout/codec/header.ts'
import type { Image } from '../process/contract.ts'
import type { Source } from '../process/source.ts'

export interface Prefetcher {
  /** The same image; its file is on its way already, if there is room for it. */
  begin(image: Image): Image
  /** Bytes that lie read. */
  held(): number
}

/** @param bytes what may lie read at any time */
export function prefetcher(bytes: number): Prefetcher {
  let free = bytes
  const begin = (image: Image): Image => {
    if (!('source' in image)) return image
    const { source } = image
    // Nobody knows how long it is, or its turn comes before there is room: it is read then.
    if (source.size === 0 || source.size > free) return image
    free -= source.size
    const giveRoom = once(() => {
      free += source.size
    })
    return { ...image, source: ahead(source, giveRoom) }
  }
  return { begin, held: () => bytes - free }
}

function once(act: () => void): () => void {
  let isDone = false
  return () => {
    if (!isDone) act()
    isDone = true
  }
}

/** Begins to read at once. What is wrong is told to whoever asks. */
function ahead(source: Source, giveRoom: () => void): Source {
  let reading: Promise<Uint8Array> | undefined = source.read()
  reading.catch(() => {})
  const read = (): Promise<Uint8Array> => reading ?? source.read()
  const end = () => {
    reading = undefined // tried again, it is read anew
    giveRoom()
  }
  const { path, size, mtimeNs, reference } = source
  return {
    ...{ path, size, mtimeNs, reference, read },
    details: () => source.details?.() ?? {},
    header: async (limits) => readHeader(await read(), limits),
    release: async () => {
      end()
      await source.release?.()
    },
  }
}
