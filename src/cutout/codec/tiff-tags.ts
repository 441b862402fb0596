/** Reads the tags that libvips does not tell about: what the channels of a TIFF mean, and how it is compressed. */

/** The first picture of a TIFF. The numbers are those of TIFF 6.0 and of libtiff's tiff.h. */
export interface TiffTags {
  /** One per sample, or one for all. */
  bitsPerSample: number[]
  compression: number
  photometric: number | undefined
  samplesPerPixel: number
  /** What the samples beyond the color are, as far as the file says. */
  extraSamples: number[]
  /** One per sample, or one for all: 1 unsigned, 2 signed, 3 floating point, 5 and 6 complex. */
  sampleFormat: number[]
  inkSet: number
  /** Of YCbCr: pixels per color sample, across and down. */
  subsampling: number[]
}

/** Reads a part of a file; gives fewer bytes than asked for at its end. */
export type ReadAt = (offset: number, length: number) => Promise<Buffer>

/** Bytes of a number, by the type of its tag: BYTE, SHORT, LONG and LONG8. */
const numberSizes: Readonly<Record<number, number>> = { 1: 1, 3: 2, 4: 4, 16: 8 }
/** No tag that is read here needs more; a file may claim anything. */
const mostEntries = 4096
const mostValues = 256

/**
 * Reads a few hundred bytes of the file, whatever it claims. Classic TIFF and BigTIFF, both byte orders.
 *
 * @returns undefined when it is no TIFF, cannot be read or is damaged: libvips says why
 */
export async function readTiffTags(file: Uint8Array | ReadAt): Promise<TiffTags | undefined> {
  try {
    return await readFirstDirectory(typeof file === 'function' ? file : partsOf(file))
  } catch {
    return undefined
  }
}

/** The parts of a file in memory. */
export function partsOf({ buffer, byteOffset, byteLength }: Uint8Array): ReadAt {
  const bytes = Buffer.from(buffer, byteOffset, byteLength)
  return async (offset, length) => bytes.subarray(offset, offset + length)
}

/** @throws RangeError when the file ends too early */
async function readFirstDirectory(readAt: ReadAt): Promise<TiffTags | undefined> {
  const header = await readAt(0, 16)
  const order = header.toString('latin1', 0, 2)
  if (order !== 'II' && order !== 'MM') return undefined
  const number = numberReader(order === 'II')
  const version = number(header, 2, 2)
  if (version !== 42 && version !== 43) return undefined
  const isBig = version === 43
  const [offsetSize, countSize, entrySize] = isBig ? [8, 8, 20] : [4, 2, 12]

  const directory = number(header, isBig ? 8 : 4, offsetSize)
  const count = Math.min(number(await readAt(directory, countSize), 0, countSize), mostEntries)
  const entries = await readAt(directory + countSize, count * entrySize)
  const places = new Map<number, number>()
  for (let at = 0; at + entrySize <= entries.length; at += entrySize) places.set(number(entries, at, 2), at)

  async function values(tag: number): Promise<number[]> {
    const at = places.get(tag)
    if (at === undefined) return []
    const size = numberSizes[number(entries, at + 2, 2)]
    if (size === undefined) return []
    const length = Math.min(number(entries, at + 4, offsetSize), mostValues)
    const field = at + 4 + offsetSize
    const bytes =
      length * size <= offsetSize
        ? entries.subarray(field)
        : await readAt(number(entries, field, offsetSize), length * size)
    return Array.from({ length }, (_, index) => number(bytes, index * size, size))
  }

  const first = async (tag: number) => (await values(tag))[0]
  return {
    bitsPerSample: await values(258),
    compression: (await first(259)) ?? 1,
    photometric: await first(262),
    samplesPerPixel: (await first(277)) ?? 1,
    extraSamples: await values(338),
    sampleFormat: await values(339),
    inkSet: (await first(332)) ?? 1,
    subsampling: await values(530),
  }
}

function numberReader(isLittleEndian: boolean) {
  return (bytes: Buffer, at: number, size: number): number => {
    if (size === 8) return Number(isLittleEndian ? bytes.readBigUInt64LE(at) : bytes.readBigUInt64BE(at))
    return isLittleEndian ? bytes.readUIntLE(at, size) : bytes.readUIntBE(at, size)
  }
}
