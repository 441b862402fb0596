/** PNG files (ISO 15948). The kernels filter and compress the pixels, and here is the rest. */
import { crc32, deflateSync } from 'node:zlib'
import sharp from 'sharp'
import type { PngImage, PngRows } from '../pixels/png.ts'
import { hasMetadata, type KeptMetadata, withMetadata } from './metadata.ts'

const colorTypes = { 1: 0, 3: 2, 4: 6 } as const
const signature = Buffer.from('89504e470d0a1a0a', 'hex')
/** A chunk's length and type, and its checksum. */
const [headBytes, checksumBytes] = [8, 4]

/**
 * Puts a file together.
 *
 * @param chunks whole ones that stand before the pixels: profile, metadata
 * @returns the file, on an ArrayBuffer of its own
 */
export function pngFile(
  { width, height, channels, depth }: PngImage,
  rows: PngRows,
  chunks: readonly Uint8Array[] = [],
): Uint8Array<ArrayBuffer> {
  const head = Buffer.alloc(13)
  head.writeUInt32BE(width)
  head.writeUInt32BE(height, 4)
  head.set([depth, colorTypes[channels]], 8)
  return joined([
    signature,
    ...chunkParts('IHDR', head),
    ...chunks,
    ...rows.flatMap((piece) => chunkParts('IDAT', piece)),
    ...chunkParts('IEND', new Uint8Array()),
  ])
}

function chunkParts(type: string, data: Uint8Array): Uint8Array[] {
  const [start, end] = [Buffer.alloc(headBytes), Buffer.alloc(checksumBytes)]
  start.writeUInt32BE(data.byteLength)
  start.write(type, 4, 'latin1')
  end.writeUInt32BE(crc32(data, crc32(start.subarray(4))))
  return [start, data, end]
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((bytes, part) => bytes + part.byteLength, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.byteLength
  }
  return all
}

/** An ICC profile. */
export const profileChunk = (profile: Buffer): Uint8Array =>
  joined(chunkParts('iCCP', Buffer.concat([Buffer.from('icc\0\0', 'latin1'), deflateSync(profile)])))

/**
 * Chunks that stand before the pixels. Those of the metadata are libvips' own: it writes a picture of one pixel, and they are
 * taken from that.
 */
export async function chunksBeforePixels(
  kept: KeptMetadata,
  profile: Buffer | undefined,
): Promise<Uint8Array[]> {
  const chunks = hasMetadata(kept) ? await metadataChunks(kept) : []
  return profile ? [profileChunk(profile), ...chunks] : chunks
}

async function metadataChunks(kept: KeptMetadata): Promise<Uint8Array[]> {
  const pixel = sharp({ create: { width: 1, height: 1, channels: 3, background: '#000' } })
  return extraChunks(await withMetadata(pixel, kept).png().toBuffer())
}

/** libvips says pixels per meter even where nobody knows. */
const ofThePixel = new Set(['IHDR', 'pHYs', 'IDAT', 'IEND'])

function extraChunks(png: Buffer): Uint8Array[] {
  const chunks: Uint8Array[] = []
  for (let at = signature.length; at < png.length; ) {
    const end = at + headBytes + png.readUInt32BE(at) + checksumBytes
    const type = png.toString('latin1', at + 4, at + headBytes)
    if (!ofThePixel.has(type)) chunks.push(png.subarray(at, end))
    at = end
  }
  return chunks
}
