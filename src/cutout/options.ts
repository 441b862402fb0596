/** How cut-outs are to be made: names and figures, without the libraries that do it. */
import type { LayoutOptions } from './layout.ts'

export const cutoutFormats = ['png', 'webp', 'avif', 'tiff', 'jpeg'] as const
export type CutoutFormat = (typeof cutoutFormats)[number]

/** What the cut-out stands on: sRGB 0..255, or a picture that covers the canvas. */
export type Background = { colour: [number, number, number] } | { file: string }

/** How the cut-out is made from the picture and its alpha. */
export interface CutoutOptions extends LayoutOptions {
  format: CutoutFormat
  /** 1..100, of formats that lose something. */
  quality?: number | undefined
  /** Lower the quality until the file is no larger. */
  maxBytes?: number | undefined
  /** Absent: transparent; white in a JPEG. */
  background?: Background | undefined
  /** Everything but the place; otherwise author and copyright only. */
  keepMetadata: boolean
}

interface Format {
  /** Of file names, without a dot. */
  extension: string
  /** Whether quality means anything. */
  lossy: boolean
  defaultQuality?: number
  /** Pixels, by the format's definition. */
  longestSide: number
  /** What its encoder holds per pixel, besides the pixels; the others work through a picture strip by strip. */
  encoderBytes: number
}

export const formats: Readonly<Record<CutoutFormat, Format>> = {
  png: { extension: 'png', lossy: false, longestSide: 2 ** 31 - 1, encoderBytes: 0 },
  webp: { extension: 'webp', lossy: true, defaultQuality: 90, longestSide: 16383, encoderBytes: 24 },
  avif: { extension: 'avif', lossy: true, defaultQuality: 65, longestSide: 16384, encoderBytes: 56 },
  tiff: { extension: 'tiff', lossy: false, longestSide: 2 ** 31 - 1, encoderBytes: 0 },
  jpeg: { extension: 'jpg', lossy: true, defaultQuality: 90, longestSide: 65500, encoderBytes: 8 },
}
