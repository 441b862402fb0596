/** JPEG XL (ISO/IEC 18181): what the file says of its picture, read without decoding it, and the metadata beside it. */
import { brotliDecompressSync } from 'node:zlib'
import { RmbgError } from '../../errors.ts'
import { partsOf, type ReadAt } from './tiff-tags.ts'

export interface JxlHeader {
  /** Pixels, upright. */
  width: number
  height: number
  /** Per sample; 32 for floating-point numbers. */
  bits: number
  isAnimated: boolean
  /** In colors of the format's own (XYB), from which those of the picture have to be computed. */
  isLossy: boolean
}

const codestream = Buffer.from([0xff, 0x0a])
/** The first box of a file that has boxes (part 2 of the standard). */
const container = Buffer.from('0000000c4a584c200d0a870a', 'hex')
/** Before the picture stand few boxes, but a file may claim anything. */
const mostBoxes = 1000
/** The header takes less than that, unless its channels have long names. */
const headerBytes = 8192

/**
 * @returns undefined when it is no JPEG XL
 * @throws RmbgError INPUT_CORRUPT when it ends in its header
 */
export async function readJxlHeader(file: Uint8Array | ReadAt): Promise<JxlHeader | undefined> {
  const readAt = typeof file === 'function' ? file : partsOf(file)
  const head = await readAt(0, container.length)
  if (head.subarray(0, 2).equals(codestream)) return headerOf(await readAt(0, headerBytes))
  if (!head.equals(container)) return undefined
  for await (const { type, start } of boxes(readAt)) {
    if (type === 'jxlc') return headerOf(await readAt(start, headerBytes))
    // A part of the picture begins with its number.
    if (type === 'jxlp') return headerOf(await readAt(start + 4, headerBytes))
  }
  throw damaged()
}

interface Box {
  type: string
  /** Of its content. */
  start: number
  end: number
}

async function* boxes(readAt: ReadAt): AsyncGenerator<Box> {
  for (let at = 0, count = 0; count < mostBoxes; count++) {
    const head = await readAt(at, 16)
    if (head.length < 8) return
    const short = head.readUInt32BE(0)
    if (short === 1 && head.length < 16) return
    const [size, headSize] = short === 1 ? [Number(head.readBigUInt64BE(8)), 16] : [short, 8]
    // 0 stands for all the rest.
    const end = short === 0 ? Number.MAX_SAFE_INTEGER : at + Math.max(size, headSize)
    yield { type: head.toString('latin1', 4, 8), start: at + headSize, end }
    at = end
  }
}

/** Of a value in the four ways in which the standard writes it: a constant, and bits that are added to it. */
type Ways = readonly (readonly [constant: number, bits: number])[]

const side: Ways = [
  [1, 9],
  [1, 13],
  [1, 18],
  [1, 30],
]
const previewSide: Ways = [
  [1, 6],
  [65, 8],
  [321, 10],
  [1345, 12],
]
const previewEights: Ways = [
  [16, 0],
  [32, 0],
  [1, 5],
  [33, 9],
]
const bitDepth: Ways = [
  [8, 0],
  [10, 0],
  [12, 0],
  [1, 6],
]
const floatDepth: Ways = [
  [32, 0],
  [16, 0],
  [24, 0],
  [1, 6],
]
const channelCount: Ways = [
  [0, 0],
  [1, 0],
  [2, 4],
  [1, 12],
]
const channelKind: Ways = [
  [0, 0],
  [1, 0],
  [2, 4],
  [18, 6],
]
const [alpha, spotColor, colorFilter] = [0, 2, 5]
const shrinking: Ways = [
  [0, 0],
  [3, 0],
  [4, 0],
  [1, 3],
]
const nameBytes: Ways = [
  [0, 0],
  [0, 4],
  [16, 5],
  [48, 10],
]
const filterNumber: Ways = [
  [1, 0],
  [0, 2],
  [3, 4],
  [19, 8],
]
const animation: readonly Ways[] = [
  [
    [100, 0],
    [1000, 0],
    [1, 10],
    [1, 30],
  ],
  [
    [1, 0],
    [1001, 0],
    [1, 8],
    [1, 10],
  ],
  [
    [0, 0],
    [0, 3],
    [0, 16],
    [0, 32],
  ],
]
/** Widths as parts of the height. */
const ratios = [
  [1, 1],
  [12, 10],
  [4, 3],
  [3, 2],
  [16, 9],
  [5, 4],
  [2, 1],
] as const

/** SizeHeader and ImageMetadata (part 1, annex D). */
function headerOf(bytes: Buffer): JxlHeader {
  const bits = bitsOf(bytes)
  if (bits.take(16) !== codestream.readUInt16LE(0)) throw damaged()
  const size = pictureSize(bits)
  if (bits.flag()) return { ...size, bits: 8, isAnimated: false, isLossy: true } // all as usual
  const extra = bits.flag() ? extraFields(bits) : { isTurned: false, isAnimated: false }
  const depth = takeDepth(bits)
  bits.flag() // whether 16 bits are enough to compute in
  for (let left = bits.oneOf(channelCount); left > 0; left--) skipChannel(bits)
  const upright = extra.isTurned ? { width: size.height, height: size.width } : size
  return { ...upright, bits: depth, isAnimated: extra.isAnimated, isLossy: bits.flag() }
}

function extraFields(bits: Bits): { isTurned: boolean; isAnimated: boolean } {
  // EXIF's numbers, from 0: those from 4 on exchange the sides.
  const isTurned = bits.take(3) >= 4
  if (bits.flag()) pictureSize(bits)
  if (bits.flag()) previewSize(bits)
  const isAnimated = bits.flag()
  if (isAnimated) skipAnimation(bits)
  return { isTurned, isAnimated }
}

/** @param one side: in pixels, or counted in eights where both are such */
function sizeOf(bits: Bits, one: (isEights: boolean) => number): { width: number; height: number } {
  const isEights = bits.flag()
  const height = one(isEights)
  const ratio = ratios[bits.take(3) - 1]
  return { height, width: ratio ? Math.floor((height * ratio[0]) / ratio[1]) : one(isEights) }
}

const pictureSize = (bits: Bits) =>
  sizeOf(bits, (isEights) => (isEights ? 8 * (1 + bits.take(5)) : bits.oneOf(side)))

const previewSize = (bits: Bits) =>
  sizeOf(bits, (isEights) => (isEights ? 8 * bits.oneOf(previewEights) : bits.oneOf(previewSide)))

/** Ticks per second, as a fraction; how often it plays; whether it has time codes. */
function skipAnimation(bits: Bits): void {
  for (const ways of animation) bits.oneOf(ways)
  bits.flag()
}

function takeDepth(bits: Bits): number {
  if (!bits.flag()) return bits.oneOf(bitDepth)
  bits.oneOf(floatDepth)
  bits.take(4)
  return 32
}

/** Transparency, for one. */
function skipChannel(bits: Bits): void {
  if (bits.flag()) return
  const kind = bits.oneOf(channelKind)
  takeDepth(bits)
  bits.oneOf(shrinking)
  bits.take(8 * bits.oneOf(nameBytes))
  if (kind === alpha) bits.flag()
  if (kind === spotColor) bits.take(4 * 16)
  if (kind === colorFilter) bits.oneOf(filterNumber)
}

interface Bits {
  take(count: number): number
  flag(): boolean
  oneOf(ways: Ways): number
}

/** The lowest bit of each byte comes first. */
function bitsOf(bytes: Buffer): Bits {
  let at = 0
  const take = (count: number) => {
    let value = 0
    for (let bit = 0; bit < count; bit++, at++) {
      const byte = bytes[at >> 3]
      if (byte === undefined) throw damaged()
      value += ((byte >> (at & 7)) & 1) * 2 ** bit
    }
    return value
  }
  const oneOf = (ways: Ways) => {
    const [constant, count] = ways[take(2)] ?? [0, 0]
    return constant + take(count)
  }
  return { take, flag: () => take(1) === 1, oneOf }
}

const damaged = (): RmbgError =>
  new RmbgError('INPUT_CORRUPT', "The picture's header is damaged or cut off.", {
    hint: 'Export or download it again.',
  })

/** More is no metadata of a photograph. */
const mostMetadataBytes = 2 ** 24

/** EXIF and XMP; also where they are packed with Brotli. What is damaged is left out. */
export async function jxlMetadata(
  bytes: Uint8Array,
): Promise<{ exif?: Buffer | undefined; xmp?: Buffer | undefined }> {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const found = new Map<string, Buffer>()
  if (!file.subarray(0, container.length).equals(container)) return {}
  for await (const { type, start, end } of boxes(partsOf(file))) {
    const content = file.subarray(start, Math.min(end, file.length))
    if (type !== 'brob') found.set(type, content)
    else found.set(content.toString('latin1', 0, 4), unpacked(content.subarray(4)))
  }
  const exif = found.get('Exif')
  // Behind the offset of the first tag.
  const begin = exif && exif.length > 4 ? 4 + exif.readUInt32BE(0) : undefined
  return { exif: begin === undefined ? undefined : exif?.subarray(begin), xmp: found.get('xml ') }
}

function unpacked(bytes: Buffer): Buffer {
  try {
    return brotliDecompressSync(bytes, { maxOutputLength: mostMetadataBytes })
  } catch {
    return Buffer.alloc(0)
  }
}
