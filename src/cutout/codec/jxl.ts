/** JPEG XL pictures. libvips of sharp reads none; jxl-oxide does, in WebAssembly. */
import sharp from 'sharp'
import { RmbgError } from '../../errors.ts'
import type { JxlHeader } from './jxl-header.ts'
import { askInThread } from './jxl-thread.ts'
import { openOptions } from './libvips.ts'
import { fromRaw, pngInProfile, profileOfP3, samples } from './raw.ts'
import type { ReadAt } from './tiff-tags.ts'

/**
 * Decodes the picture, or the first frame of an animation: upright, with its transparency, and with 16 bits where the
 * file has more than 8.
 *
 * @returns a PNG; it has a profile where its colors are not those of sRGB
 * @throws RmbgError INPUT_UNSUPPORTED for HDR and for colors that are not known; Error when it is damaged
 */
export async function jxlToPng(bytes: Uint8Array, { isLossy, bits }: JxlHeader): Promise<Buffer> {
  const answer = await askInThread({ file: bytes, wanted: 'picture', isProfileLost: isLossy && bits <= 8 })
  if (!('png' in answer)) throw new Error('there are no pixels')
  const { buffer, byteOffset, byteLength } = answer.png
  return inKnownColors(Buffer.from(buffer, byteOffset, byteLength))
}

/** How many frames an animation has, all of which has to be read for that; 1 for one that is damaged, or huge. */
export async function jxlFrames(file: Uint8Array | ReadAt): Promise<number> {
  const bytes = typeof file === 'function' ? await wholeOf(file) : file
  const answer = bytes && (await askInThread({ file: bytes, wanted: 'frames' }).catch(() => undefined))
  return answer && 'frames' in answer ? answer.frames : 1
}

const mostAnimationBytes = 2 ** 28
const chunkBytes = 2 ** 20

async function wholeOf(readAt: ReadAt): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  for (let at = 0; at < mostAnimationBytes; at += chunkBytes) {
    const chunk = await readAt(at, chunkBytes)
    chunks.push(chunk)
    if (chunk.length < chunkBytes) return Buffer.concat(chunks)
  }
  return undefined
}

/** Code points of ITU-T H.273. The decoder names one P3 for both white points. */
const sRgb = 1
const displayP3 = [11, 12]
const hdr = { primaries: 9, transfers: [16, 18] }
const transfers = { linear: 8, sRgb: 13 }

/** Colors without a profile are told by a chunk that libvips does not read. */
async function inKnownColors(png: Buffer): Promise<Buffer> {
  const codes = colorCodes(png)
  if (codes === undefined) return png
  const { primaries, transfer } = codes
  if (primaries === hdr.primaries || hdr.transfers.includes(transfer)) {
    throw new RmbgError('INPUT_UNSUPPORTED', 'This JPEG XL picture has HDR colors (BT.2020, PQ or HLG).', {
      hint: 'Export it as JPEG, or as JPEG XL in Display P3 or sRGB.',
    })
  }
  const isLinear = transfer === transfers.linear
  const isP3 = displayP3.includes(primaries)
  if ((transfer !== transfers.sRgb && !isLinear) || (primaries !== sRgb && !isP3)) {
    throw new RmbgError(
      'INPUT_UNSUPPORTED',
      `This JPEG XL picture has colors that are not known here (primaries ${primaries}, transfer ${transfer}).`,
      { hint: 'Export it in sRGB or Display P3.' },
    )
  }
  const curved = isLinear ? await withCurve(png) : png
  return isP3 ? pngInProfile(curved, await profileOfP3()) : curved
}

/** @returns undefined for a picture with a profile */
function colorCodes(png: Buffer): { primaries: number; transfer: number } | undefined {
  const at = 33 // behind the header
  if (png.toString('latin1', at + 4, at + 8) !== 'cICP') return undefined
  return { primaries: png.readUInt8(at + 8), transfer: png.readUInt8(at + 9) }
}

/** Linear numbers become those of sRGB's curve (IEC 61966-2-1), which Display P3 has as well. */
async function withCurve(png: Buffer): Promise<Buffer> {
  const { depth, channels, hasAlpha } = await sharp(png, openOptions).metadata()
  const isDeep = depth === 'ushort'
  const isGrey = channels < 3
  const space = isDeep ? (isGrey ? 'grey16' : 'rgb16') : isGrey ? 'b-w' : 'srgb'
  const raw = await sharp(png, openOptions)
    .toColourspace(space)
    .raw({ depth: isDeep ? 'ushort' : 'uchar' })
    .toBuffer({ resolveWithObject: true })
  const { info } = raw
  const data = samples(raw.data, isDeep ? 16 : 8)
  const most = isDeep ? 65535 : 255
  const curve = Array.from({ length: most + 1 }, (_, value) => Math.round(most * encoded(value / most)))
  for (let at = 0; at < data.length; at++) {
    const isAlpha = hasAlpha && at % info.channels === info.channels - 1
    if (!isAlpha) data[at] = curve[data[at] ?? 0] ?? 0
  }
  return fromRaw(data, info).toColourspace(space).png({ compressionLevel: 0 }).toBuffer()
}

const encoded = (linear: number): number =>
  linear <= 0.0031308 ? 12.92 * linear : 1.055 * linear ** (1 / 2.4) - 0.055
