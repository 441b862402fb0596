/** Pixels in memory, on their way from and to libvips. */
import sharp, { type Sharp } from 'sharp'
import type { Samples } from '../picture.ts'
import './libvips.ts'
import { profileChunk } from './png.ts'

/** Views libvips' bytes as samples of 8 or 16 bits; copies nothing. */
export function samples(data: Buffer, depth: 8 | 16): Samples {
  const bytes = data as Buffer & Uint8Array<ArrayBuffer>
  return depth === 16 ? new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2) : bytes
}

export interface Pixels {
  data: Samples
  width: number
  height: number
  channels: number
}

/** Runs a sharp pipeline to its pixels, interleaved. */
export async function toPixels(image: Sharp, depth: 8 | 16): Promise<Pixels> {
  const { data, info } = await image
    .raw({ depth: depth === 16 ? 'ushort' : 'uchar' })
    .toBuffer({ resolveWithObject: true })
  return { data: samples(data, depth), width: info.width, height: info.height, channels: info.channels }
}

/** Converts 8-bit RGB from another color space to sRGB. */
export async function toSrgb(
  rgb: Uint8Array,
  size: { width: number; height: number },
  profile: Buffer,
): Promise<Uint8Array<ArrayBuffer>> {
  const file = await inProfile(fromRaw(rgb, { ...size, channels: 3 }), profile)
  const image = sharp(file, { limitInputPixels: false })
  return new Uint8Array(await image.toColourspace('srgb').raw({ depth: 'uchar' }).toBuffer())
}

/** The kind of color that an ICC profile describes, such as `RGB`, `GRAY` or `CMYK`. */
export function colorsOf(profile: Buffer): string {
  return profile.toString('latin1', 16, 20).trim()
}

/**
 * Selects channels of interleaved samples.
 *
 * @param data pixels with `channels` samples each
 * @param wanted indexes of channels, in their new order
 */
export function takeChannels(data: Samples, channels: number, wanted: readonly number[]): Samples {
  const pixels = data.length / channels
  const taken = data instanceof Uint16Array ? Uint16Array : Uint8Array
  const result: Samples = new taken(pixels * wanted.length)
  for (let from = 0, into = 0; from < data.length; from += channels) {
    for (const channel of wanted) result[into++] = data[from + channel]!
  }
  return result
}

/** Starts a sharp pipeline from pixels in memory. */
export function fromRaw(
  data: Uint8Array | Uint16Array,
  { width, height, channels }: { width: number; height: number; channels: 1 | 2 | 3 | 4 },
): Sharp {
  return sharp(data, { raw: { width, height, channels }, limitInputPixels: false })
}

/**
 * Attaches a color profile and leaves the numbers as they are. sharp cannot do that: it only converts to a profile, or
 * keeps one that came with a file. So this makes such a file: an uncompressed PNG with the profile in its iCCP chunk.
 */
export const inProfile = async (image: Sharp, profile: Buffer): Promise<Buffer> =>
  pngInProfile(await image.png({ compressionLevel: 0 }).toBuffer(), profile)

/** The same for a PNG that has no profile. */
export function pngInProfile(png: Buffer, profile: Buffer): Buffer {
  const signatureAndHeader = 33
  return Buffer.concat([
    png.subarray(0, signatureAndHeader),
    profileChunk(profile),
    png.subarray(signatureAndHeader),
  ])
}

/** The ICC profile of Display P3, as libvips has it. */
export async function profileOfP3(): Promise<Buffer> {
  const pixel = sharp({ create: { width: 1, height: 1, channels: 3, background: '#000' } })
  const { icc } = await sharp(await pixel.withIccProfile('p3').png().toBuffer()).metadata()
  if (!icc) throw new Error('libvips has no profile of Display P3')
  return icc
}
