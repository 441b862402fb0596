/** How a picture gets into a model's input without losing its proportions, and its matte out again. */
import type { Letterbox } from '../model/contract.ts'
import type { Box } from './picture.ts'
import type { MattePlane } from './pixels/matte.ts'

interface Size {
  width: number
  height: number
}

/** Where the picture lies in an input of this size, in whole pixels. */
export function letterboxOf(picture: Size, input: Size, { padPosition }: Letterbox): Box {
  const scale = Math.min(input.width / picture.width, input.height / picture.height)
  const width = Math.max(Math.round(picture.width * scale), 1)
  const height = Math.max(Math.round(picture.height * scale), 1)
  if (padPosition === 'top-left') return { left: 0, top: 0, width, height }
  return { left: (input.width - width) >> 1, top: (input.height - height) >> 1, width, height }
}

/**
 * Puts the shrunk picture into its place.
 *
 * @param rgb interleaved, of the box
 * @returns interleaved RGB of the whole input
 */
export function pad(
  rgb: Uint8Array,
  { left, top, width, height }: Box,
  input: Size,
  { padColor }: Letterbox,
): Uint8Array<ArrayBuffer> {
  const canvas = new Uint8Array(input.width * input.height * 3)
  for (let at = 0; at < canvas.length; at++) canvas[at] = padColor[at % 3]!
  for (let y = 0; y < height; y++) {
    canvas.set(rgb.subarray(y * width * 3, (y + 1) * width * 3), ((top + y) * input.width + left) * 3)
  }
  return canvas
}

/** The part of a matte that shows the picture. */
export function cropMatte({ values, width }: MattePlane, box: Box): MattePlane {
  const part = new Float32Array(box.width * box.height)
  for (let y = 0; y < box.height; y++) {
    const start = (box.top + y) * width + box.left
    part.set(values.subarray(start, start + box.width), y * box.width)
  }
  return { values: part, width: box.width, height: box.height }
}
