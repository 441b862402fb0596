/** The pixels of PNG files. */
import type { Samples } from '../picture.ts'
import { pixelKernels } from './kernels.ts'

export interface PngImage {
  width: number
  height: number
  /** Grey, RGB or RGBA. */
  channels: 1 | 3 | 4
  /** Bits per sample. */
  depth: 8 | 16
}

/** The pixels of a file: a zlib stream of filtered rows, in as many pieces as it was made in. */
export type PngRows = readonly Uint8Array[]

/** @param samples interleaved, `width * height * channels` of them */
export function pngRows(samples: Samples, { width, height, channels, depth }: PngImage): PngRows {
  const kernels = pixelKernels()
  const rows: Uint8Array[] = []
  kernels.planes = { width, picture: { samples, channels }, files: [rows] }
  kernels.encode(width, height, channels, depth === 16)
  kernels.planes = undefined
  return rows
}
