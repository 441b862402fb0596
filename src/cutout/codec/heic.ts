/** HEIC photographs (HEVC), as telephones take them. libvips reads their headers, libheif in WebAssembly their pixels. */
import { createRequire } from 'node:module'
import { RmbgError } from '../../errors.ts'
import type { Samples } from '../picture.ts'
import { type ColorCodes, colorsOf as colorCodes } from './heif-colors.ts'
import { fromRaw, inProfile, profileOfP3 } from './raw.ts'

const load = createRequire(import.meta.url)
/** Optional, because its license is the LGPL. */
const decoderPackage = 'libheif-js'
const decoderFile = `${decoderPackage}/libheif-wasm/libheif-bundle.js`

/** @throws RmbgError INPUT_UNSUPPORTED where the decoder is not installed */
export function assertHeicDecoder(): void {
  try {
    load.resolve(decoderFile)
  } catch (cause) {
    throw new RmbgError(
      'INPUT_UNSUPPORTED',
      `This is a HEIC photo, which needs the package ${decoderPackage}.`,
      {
        hint: `Install it where rmbg-batch is installed: npm install ${decoderPackage} (with -g if rmbg-batch was).`,
        cause,
      },
    )
  }
}

/** What sharp tells of the file. */
interface Header {
  icc?: Buffer | undefined
  hasAlpha: boolean
  /** Of sharp: `uchar` or `ushort`. */
  depth: string
}

/**
 * Reads the primary picture: upright, with its transparency, and with 16 bits where the file has more than 8.
 *
 * @returns a PNG; it has a profile where its colors are not those of sRGB
 * @throws RmbgError INPUT_UNSUPPORTED for HDR and for colors that cannot be converted; Error when it is damaged
 */
export async function heicToPng(bytes: Uint8Array, { icc, hasAlpha, depth }: Header): Promise<Buffer> {
  assertHeicDecoder()
  const profile = icc ?? (await profileOf(colorCodes(bytes)))
  const channels = hasAlpha ? 4 : 3
  const isDeep = depth === 'ushort'
  const { data, width, height } = decodePrimary(bytes, { channels, isDeep })
  const image = fromRaw(data, { width, height, channels }).toColourspace(isDeep ? 'rgb16' : 'srgb')
  return profile ? inProfile(image, profile) : image.png({ compressionLevel: 0 }).toBuffer()
}

/** Code points of ITU-T H.273. Others have the same colors as sRGB, or nearly. */
const displayP3 = 12
const bt2020 = 9
const hdrTransfers = [16, 18]

async function profileOf(codes: ColorCodes | undefined): Promise<Buffer | undefined> {
  if (codes === undefined) return undefined
  if (hdrTransfers.includes(codes.transfer) || codes.primaries === bt2020) {
    throw new RmbgError('INPUT_UNSUPPORTED', 'This HEIC photo has HDR colors (BT.2020, PQ or HLG).', {
      hint: 'Export it as JPEG, or as HEIC in Display P3 or sRGB.',
    })
  }
  if (codes.primaries !== displayP3) return undefined
  return profileOfP3()
}

/** The part of libheif's interface that is used here. What it calls handle and image lies in its own memory. */
interface Libheif {
  heif_context_alloc(): unknown
  heif_context_read_from_memory(context: unknown, bytes: Uint8Array): { code: unknown; message: string }
  heif_js_context_get_primary_image_handle(context: unknown): Failure | object
  heif_js_decode_image2(handle: object, colorspace: unknown, chroma: unknown): Failure | DecodedImage
  heif_error_code: { heif_error_Ok: unknown }
  heif_colorspace: { heif_colorspace_RGB: unknown }
  heif_chroma: Record<string, unknown>
}

interface Failure {
  code: unknown
  message: string
}

interface DecodedImage {
  channels: {
    /** Rows of `stride` bytes. */
    data: Uint8Array
    stride: number
    /** Pixels. */
    width: number
    height: number
    bits_per_pixel: number
  }[]
}

interface Pixels {
  data: Samples
  width: number
  height: number
}

function decodePrimary(
  bytes: Uint8Array,
  { channels, isDeep }: { channels: 3 | 4; isDeep: boolean },
): Pixels {
  // Its memory only grows. It is released with the instance, so every picture has its own.
  const libheif = (load(decoderFile) as () => Libheif)()
  const context = libheif.heif_context_alloc()
  const read = libheif.heif_context_read_from_memory(context, bytes)
  if (read.code !== libheif.heif_error_code.heif_error_Ok) throw new Error(read.message)
  const handle = succeeded(libheif.heif_js_context_get_primary_image_handle(context))
  const { heif_colorspace_RGB: rgb } = libheif.heif_colorspace
  const alpha = channels === 4 ? 'A' : ''
  const order = isDeep ? `RRGGBB${alpha}${alpha}_LE` : `RGB${alpha}`
  const chroma = libheif.heif_chroma[`heif_chroma_interleaved_${order}`]
  const image = succeeded(libheif.heif_js_decode_image2(handle, rgb, chroma))
  const [plane] = image.channels
  if (!plane) throw new Error('there are no pixels')
  const { width, height } = plane
  const rows = withoutPadding(plane, width * channels * (isDeep ? 2 : 1))
  return { width, height, data: isDeep ? inSixteenBits(rows, plane.bits_per_pixel) : rows }
}

function succeeded<T extends object>(answer: Failure | T): T {
  if ('code' in answer && 'message' in answer) throw new Error(answer.message)
  return answer as T
}

function withoutPadding(
  { data, stride, height }: DecodedImage['channels'][number],
  rowBytes: number,
): Uint8Array<ArrayBuffer> {
  const rows = new Uint8Array(rowBytes * height)
  for (let y = 0; y < height; y++) rows.set(data.subarray(y * stride, y * stride + rowBytes), y * rowBytes)
  return rows
}

/** Numbers of `bits` bits, little endian, become numbers of 16. */
function inSixteenBits(rows: Uint8Array<ArrayBuffer>, bits: number): Uint16Array<ArrayBuffer> {
  const values = new Uint16Array(rows.buffer)
  const scale = 65535 / (2 ** bits - 1)
  for (let at = 0; at < values.length; at++) values[at] = (values[at] ?? 0) * scale + 0.5
  return values
}
