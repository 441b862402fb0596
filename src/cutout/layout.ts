/** Where the subject is placed on the canvas of a cut-out. Geometry only. */
import type { Box } from './picture.ts'

/** Pixels of the canvas, or a share of its width and height (0 to less than 0.5). */
export type Padding = { pixels: number } | { share: number }

/** How the picture fits a canvas of given size; the words are those of CSS and sharp. */
export const fits = ['contain', 'cover', 'fill', 'inside'] as const
export type Fit = (typeof fits)[number]

export interface LayoutOptions {
  /** Cut away the empty margins around the subject. */
  trim: boolean
  padding: Padding
  /** Pixels. One of the two may be absent and follows from the picture. Without a size: as large as the picture. */
  size?: { width?: number | undefined; height?: number | undefined } | undefined
  fit: Fit
}

/** In whole pixels: cut `region` out of the picture, stretch it to `drawn`, and put that onto the canvas. */
export interface Layout {
  region: Box
  /** On the canvas. */
  drawn: Box
  canvas: { width: number; height: number }
}

/**
 * Plans where the picture goes, by `fit`:
 *
 * - `contain`: all of it, as large as fits, centered on a canvas of exactly the given size
 * - `inside`: the same, but never enlarged, and the canvas is no larger than needed
 * - `cover`: fills the canvas inside its padding; the excess is cut off evenly
 * - `fill`: stretched
 *
 * @param subject bounding box of the visible pixels; absent for an empty mask, which is not trimmed
 */
export function planLayout(
  picture: { width: number; height: number },
  subject: Box | undefined,
  { trim, padding, size, fit }: LayoutOptions,
): Layout {
  const whole = { left: 0, top: 0, ...picture }
  const region = trim && subject ? subject : whole
  const canvas = wantedCanvas(region, padding, size)
  const [padX, padY] = [paddingOf(canvas.width, padding), paddingOf(canvas.height, padding)]
  const inner = {
    width: Math.max(Math.round(canvas.width - 2 * padX), 1),
    height: Math.max(Math.round(canvas.height - 2 * padY), 1),
  }
  if (!size) {
    return {
      region,
      drawn: { ...region, left: Math.round(padX), top: Math.round(padY) },
      canvas: {
        width: region.width + 2 * Math.round(padX),
        height: region.height + 2 * Math.round(padY),
      },
    }
  }
  if (fit === 'cover' || fit === 'fill') {
    const cut = fit === 'cover' ? centredCut(region, inner) : region
    return { region: cut, drawn: { ...inner, left: Math.round(padX), top: Math.round(padY) }, canvas }
  }
  const scale = Math.min(
    inner.width / region.width,
    inner.height / region.height,
    fit === 'inside' ? 1 : Number.POSITIVE_INFINITY,
  )
  const width = Math.max(Math.round(region.width * scale), 1)
  const height = Math.max(Math.round(region.height * scale), 1)
  if (fit === 'inside') {
    const [left, top] = [Math.round(padX), Math.round(padY)]
    return {
      region,
      drawn: { left, top, width, height },
      canvas: { width: width + 2 * left, height: height + 2 * top },
    }
  }
  return {
    region,
    drawn: {
      left: Math.floor((canvas.width - width) / 2),
      top: Math.floor((canvas.height - height) / 2),
      width,
      height,
    },
    canvas,
  }
}

/** Whether a layout leaves every pixel where it is. */
export function isIdentity({ region, drawn, canvas }: Layout): boolean {
  return (
    [region.left, region.top, drawn.left, drawn.top].every((offset) => offset === 0) &&
    [region, drawn].every(({ width, height }) => width === canvas.width && height === canvas.height)
  )
}

function wantedCanvas(region: Box, padding: Padding, size: LayoutOptions['size']) {
  const padded = (length: number) =>
    'pixels' in padding ? length + 2 * padding.pixels : length / (1 - 2 * padding.share)
  if (!size) return { width: padded(region.width), height: padded(region.height) }
  const follow = (given: number, own: number, other: number) =>
    Math.max(Math.round(padded(((given - 2 * paddingOf(given, padding)) * other) / own)), 1)
  const width = size.width ?? follow(size.height!, region.height, region.width)
  const height = size.height ?? follow(size.width!, region.width, region.height)
  return { width, height }
}

const paddingOf = (length: number, padding: Padding): number =>
  'pixels' in padding ? padding.pixels : length * padding.share

/** The largest centered part of a region that has a rectangle's proportions. */
function centredCut(region: Box, { width, height }: { width: number; height: number }): Box {
  const scale = Math.min(region.width / width, region.height / height)
  const cut = {
    width: Math.min(Math.max(Math.round(width * scale), 1), region.width),
    height: Math.min(Math.max(Math.round(height * scale), 1), region.height),
  }
  return {
    left: region.left + Math.floor((region.width - cut.width) / 2),
    top: region.top + Math.floor((region.height - cut.height) / 2),
    ...cut,
  }
}
