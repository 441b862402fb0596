/** How cut-outs are made: names and figures, without the libraries that do the work. */
import type { DecodeOptions } from './codec/decode.ts'
import { isIdentity, type LayoutOptions, planLayout } from './layout.ts'
import type { CompositeOptions } from './pixels/composite.ts'
import type { Shadow } from './pixels/shadow.ts'
import type { PictureRules } from './rules.ts'

export const cutoutFormats = ['png', 'webp', 'avif', 'tiff', 'jpeg'] as const
export type CutoutFormat = (typeof cutoutFormats)[number]

/**
 * What the cut-out stands on: sRGB 0..255, or the file of a picture that covers the canvas. Every image gets these
 * bytes, so put them on a SharedArrayBuffer: threads then share them instead of copying them for each image.
 */
export type Background = { color: [number, number, number] } | { picture: Uint8Array }

/** How the cut-out's file is made from the picture and its alpha. */
export interface EncodeOptions extends LayoutOptions {
  format: CutoutFormat
  /** 1..100, for lossy formats. */
  quality?: number | undefined
  /** The quality is lowered until the file is no larger than this. */
  maxBytes?: number | undefined
  /** Absent: transparent; white in a JPEG. */
  background?: Background | undefined
  /** Under the subject; absent: none. */
  shadow?: Shadow | undefined
  /** Everything except the location; otherwise author and copyright only. */
  keepMetadata: boolean
}

/** Everything that decides how one picture becomes its mask and its cut-out, besides the subject itself. */
export interface CutoutRecipe extends DecodeOptions, CompositeOptions, EncodeOptions {
  /** A catalogue's rules, which the finished cut-out is checked against. */
  rules: PictureRules | undefined
}

interface Format {
  /** File name extension, without a dot. */
  extension: string
  /** Whether the format has a quality. */
  lossy: boolean
  defaultQuality?: number
  /** Pixels; a limit of the format. */
  longestSide: number
  /** Memory of its encoder per pixel, besides the pixels; 0 for encoders that work strip by strip. */
  encoderBytes: number
}

export const formats: Readonly<Record<CutoutFormat, Format>> = {
  png: { extension: 'png', lossy: false, longestSide: 2 ** 31 - 1, encoderBytes: 0 },
  webp: { extension: 'webp', lossy: true, defaultQuality: 90, longestSide: 16383, encoderBytes: 24 },
  avif: { extension: 'avif', lossy: true, defaultQuality: 65, longestSide: 16384, encoderBytes: 56 },
  tiff: { extension: 'tiff', lossy: false, longestSide: 2 ** 31 - 1, encoderBytes: 0 },
  jpeg: { extension: 'jpg', lossy: true, defaultQuality: 90, longestSide: 65500, encoderBytes: 8 },
}

/** Whether the file's pixels are those of the cut-out: it is not moved, nothing is put behind it, and it is a PNG. */
export const isWrittenAsItIs = (
  picture: { width: number; height: number },
  options: EncodeOptions,
): boolean =>
  options.format === 'png' &&
  !(options.trim || options.background || options.shadow) &&
  isIdentity(planLayout(picture, undefined, options))
