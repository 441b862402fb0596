/** What the channels of a TIFF mean, and which TIFFs cannot be read rightly. */
import { RmbgError } from '../../errors.ts'
import type { TiffTags } from './tiff-tags.ts'

/** The channels of a picture beyond its color. */
export interface ExtraChannels {
  /** How many there are. */
  count: number
  /** Which of them is transparency, from 0; undefined for an opaque picture. */
  alpha: number | undefined
}

const unsigned = 1
const signed = 2
const floating = 3

/** By the tag PhotometricInterpretation: what the picture is called, and how many samples make a color. */
const colorSpaces: Readonly<Record<number, { name: string; samples: number }>> = {
  0: { name: 'grayscale', samples: 1 },
  1: { name: 'grayscale', samples: 1 },
  2: { name: 'RGB', samples: 3 },
  3: { name: 'a palette', samples: 1 },
  5: { name: 'CMYK', samples: 4 },
  6: { name: 'YCbCr', samples: 3 },
  8: { name: 'LAB', samples: 3 },
}
const [grey, rgb, cmyk, ycbcr, lab] = [[0, 1], [2], [5], [6], [8]] as const

const jpeg = 7
/** By the tag Compression: what the libtiff in sharp reads. */
const readableCompressions = new Set([
  ...[1, 2, 3, 4, 5, 7, 8, 32766, 32771, 32773, 32809, 32946, 34676, 34677, 50001],
])
const compressionNames: Readonly<Record<number, string>> = {
  6: 'old-style JPEG',
  34661: 'JBIG',
  34712: 'JPEG 2000',
  34887: 'LERC',
  34892: 'lossy JPEG of a DNG',
  34925: 'LZMA',
  50000: 'ZSTD',
  50002: 'JPEG XL',
  52546: 'JPEG XL',
}

/**
 * Only samples that the file calls associated (1) or unassociated (2) alpha are transparency. Any others are selections
 * that somebody saved, spot colors or masks: Photoshop shows such a picture without them.
 */
export function extraChannels(tags: TiffTags): ExtraChannels {
  const { photometric, samplesPerPixel, extraSamples } = tags
  const colors = colorSpaces[photometric ?? (samplesPerPixel < 3 ? 1 : 2)]?.samples ?? samplesPerPixel
  const count = Math.max(0, samplesPerPixel - colors)
  const alpha = extraSamples.slice(0, count).findIndex((kind) => kind === 1 || kind === 2)
  return { count, alpha: alpha === -1 ? undefined : alpha }
}

/**
 * libvips takes some of these for damaged, and reads others into wrong colors without a word.
 *
 * @returns INPUT_UNSUPPORTED for a TIFF of a kind that cannot be read rightly
 */
export function unreadableTiff(tags: TiffTags): RmbgError | undefined {
  const refusal = (what: string, hint: string) =>
    new RmbgError('INPUT_UNSUPPORTED', `This TIFF ${what}, which cannot be read.`, { hint })
  if (!readableCompressions.has(tags.compression)) {
    const name = compressionNames[tags.compression]
    const how = name ? `is compressed as ${name}` : `is compressed in an unknown way (${tags.compression})`
    return refusal(how, 'Save it with LZW or ZIP (Deflate) compression.')
  }
  const { photometric } = tags
  if (photometric === undefined) return undefined
  const space = colorSpaces[photometric]
  const asRgb = 'Save it as RGB with 8 or 16 bits per channel.'
  if (!space) return refusal(`holds colors of an unknown kind (${photometric})`, asRgb)
  const numbers = numbersOf(tags)
  if (!isReadable(numbers, photometric)) return refusal(`holds ${numbers.name} in ${space.name}`, asRgb)
  if (isOneOf(cmyk, photometric) && tags.inkSet === 2) return refusal('holds inks other than CMYK', asRgb)
  if (isOneOf(ycbcr, photometric) && tags.compression !== jpeg && tags.subsampling.join() === '1,1') {
    // libvips would take these numbers for RGB; it converts those with fewer color samples.
    return refusal('holds YCbCr without JPEG compression', asRgb)
  }
  if (extraChannels(tags).alpha !== undefined && losesTransparency(numbers, photometric)) {
    return refusal(`has transparency with ${numbers.name} in ${space.name}`, asRgb)
  }
  return undefined
}

interface Numbers {
  bits: number
  format: number
  /** For people. */
  name: string
}

function numbersOf({ bitsPerSample, sampleFormat }: TiffTags): Numbers {
  const bits = Math.max(1, ...bitsPerSample)
  const format = Math.max(unsigned, ...sampleFormat.filter((format) => format !== 4)) // 4: undefined
  const kind =
    format === floating ? 'floating-point numbers' : format === signed ? 'signed integers' : 'integers'
  return { bits, format, name: format > floating ? 'complex numbers' : `${bits}-bit ${kind}` }
}

function isReadable({ bits, format }: Numbers, photometric: number): boolean {
  // libvips writes the 16-bit numbers of LAB as signed ones.
  if (isOneOf(lab, photometric)) return format === floating ? bits === 32 : bits === 16 && format <= signed
  if (format === unsigned) return bits <= 16 || (bits === 32 && isOneOf([...grey, ...rgb], photometric))
  if (format !== floating) return false
  return (
    (bits === 32 && isOneOf(grey, photometric)) || ((bits === 16 || bits === 32) && isOneOf(rgb, photometric))
  )
}

/** libvips takes the range of these for another one. */
function losesTransparency({ bits, format }: Numbers, photometric: number): boolean {
  if (isOneOf([...cmyk, ...lab], photometric)) return bits > 8
  return bits === 32 && (format === unsigned || isOneOf(grey, photometric))
}

function isOneOf(values: readonly number[], value: number): boolean {
  return values.includes(value)
}
