/** TIFFs with 32 bits per channel, which libvips reads into wrong colors when their profile or their range matters. */
import sharp, { type Metadata } from 'sharp'
import { openOptions } from './libvips.ts'
import { colorsOf, fromRaw, inProfile } from './raw.ts'
import type { ExtraChannels } from './tiff-channels.ts'

type Found = Pick<Metadata, 'depth' | 'space' | 'icc' | 'channels'>

/**
 * Whether a TIFF has to be read by `inSixteenBits`. Floating-point RGB without a profile need not: libvips takes it for
 * scene-linear light, as it should.
 */
export function hasWideNumbers({ depth, space, icc }: Found): boolean {
  if (depth === 'uint') return true
  if (depth !== 'float') return false
  return space === 'b-w' || (space === 'scrgb' && usableProfile(icc, 3) !== undefined)
}

/**
 * Reads a picture with 32 bits per channel as one with 16 bits and the same profile. Integers have their whole range.
 * Floating-point numbers from 0 to 1 are those of the profile; without one they are scene-linear light. What is
 * brighter than 1 is cut off.
 *
 * @param extra channels beyond the color; only transparency is kept
 * @returns an upright PNG
 */
export async function inSixteenBits(
  bytes: Uint8Array,
  { depth, space, icc, channels }: Found,
  { count, alpha }: ExtraChannels,
): Promise<Buffer> {
  const { data, info } = await sharp(bytes, { ...openOptions, failOn: 'error', ignoreIcc: true })
    .autoOrient()
    .toColourspace(space)
    .raw({ depth: depth === 'uint' ? 'uint' : 'float' })
    .toBuffer({ resolveWithObject: true })
  const colors = channels - count === 1 ? 1 : 3
  const profile = usableProfile(icc, colors)
  const wanted = Array.from({ length: colors }, (_, channel) => channel)
  if (alpha !== undefined) wanted.push(channels - count + alpha)

  const numbers =
    depth === 'uint'
      ? new Uint32Array(data.buffer, data.byteOffset, data.length / 4)
      : new Float32Array(data.buffer, data.byteOffset, data.length / 4)
  const toShare = depth === 'uint' ? fromInteger : profile ? clamped : encoded
  const narrow = new Uint16Array(info.width * info.height * wanted.length)
  for (let from = 0, into = 0; from < numbers.length; from += channels) {
    for (const channel of wanted) narrow[into++] = toShare(numbers[from + channel]!) * 65535 + 0.5
  }
  const size = { width: info.width, height: info.height, channels: wanted.length as 1 | 3 | 4 }
  const image = fromRaw(narrow, size).toColourspace(colors === 1 ? 'grey16' : 'rgb16')
  return profile ? inProfile(image, profile) : image.png({ compressionLevel: 0 }).toBuffer()
}

const fromInteger = (value: number): number => value / (2 ** 32 - 1)
/** Also of NaN, which is 0. */
const clamped = (value: number): number => (value > 0 ? Math.min(value, 1) : 0)
/** The curve of sRGB, IEC 61966-2-1. */
const encoded = (value: number): number => {
  const light = clamped(value)
  return light <= 0.0031308 ? 12.92 * light : 1.055 * light ** (1 / 2.4) - 0.055
}

function usableProfile(icc: Buffer | undefined, colors: 1 | 3): Buffer | undefined {
  return icc && colorsOf(icc) === (colors === 1 ? 'GRAY' : 'RGB') ? icc : undefined
}
