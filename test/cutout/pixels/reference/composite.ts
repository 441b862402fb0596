/** From picture and matte to mask and cut-out, in JavaScript: what the kernels of assembly/ must give to the bit. */

import type { Box, Picture, Samples } from '../../../../src/cutout/picture.ts'
import type { CompositeTask, CutoutPixels } from '../../../../src/cutout/pixels/composite.ts'
import type { MattePlane } from '../../../../src/cutout/pixels/matte.ts'
import { expectedIou } from './expected-iou.ts'
import { estimateForeground } from './foreground.ts'
import { guidedUpsample } from './guided.ts'
import { resizeMatte } from './matte.ts'
import { review } from './review.ts'
import { wordsOf } from './words.ts'

/** Alpha (0..255) below which a pixel does not count as part of the subject. */
const visibleFrom = 13

/**
 * Makes mask and cut-out. The matte is multiplied by the picture's own transparency. Partly transparent pixels get the
 * subject's own color (with `refine`), opaque ones keep theirs, and fully transparent ones are cleared unless
 * `keepHiddenColor`.
 */
export function composite(task: CompositeTask): CutoutPixels {
  const { picture, matte, guided, refine, keepHiddenColor, leastExpectedIou } = task
  const { data, width, height } = picture
  const alpha = data instanceof Uint16Array ? new Uint16Array(width * height) : new Uint8Array(width * height)
  if (matte instanceof Uint8Array) fillFrom(matte, alpha)
  else if (guided) fillGuided(matte, picture, alpha)
  else resizeMatte(matte, alpha, picture, picture.channels === 4 ? data : undefined)
  const rgba = withAlpha(picture, alpha, keepHiddenColor)
  if (refine) estimateForeground({ pixels: data, ...picture, alpha }, { pixels: rgba, channels: 4 })
  const mask = alpha instanceof Uint16Array ? toBytes(alpha) : alpha
  return {
    mask,
    rgba,
    width,
    height,
    subject: boundingBox(mask, width, height),
    review: review({
      ...picture,
      mask,
      rgba,
      expectedIou: matte instanceof Uint8Array ? null : expectedIou(matte.values),
      leastExpectedIou,
    }),
  }
}

/** The guide is the picture in 8 bits, which is finer than its matte. */
function fillGuided(
  { values, width: matteWidth, height: matteHeight }: MattePlane,
  picture: Picture,
  alpha: Samples,
): void {
  const { data } = picture
  const pixels = data instanceof Uint16Array ? toBytes(data) : data
  fillFrom(guidedUpsample({ ...picture, pixels, matte: values, matteWidth, matteHeight }), alpha)
  if (picture.channels !== 4) return
  const scale = data instanceof Uint16Array ? 65535 : 255
  for (let at = 0; at < alpha.length; at++) alpha[at] = (alpha[at]! * data[at * 4 + 3]!) / scale + 0.5
}

function fillFrom(mask: Uint8Array, alpha: Samples): void {
  const scale = alpha instanceof Uint16Array ? 257 : 1
  for (let at = 0; at < alpha.length; at++) alpha[at] = mask[at]! * scale
}

/** Pixels under alpha 0 stay 0 unless `keepHiddenColor`. */
function withAlpha(picture: Picture, alpha: Samples, keepHiddenColor: boolean): Samples {
  if (alpha instanceof Uint8Array && picture.data instanceof Uint8Array) {
    const rgba = new Uint8Array(alpha.length * 4)
    fillBytes(picture.data, picture.channels, alpha, keepHiddenColor, new Uint32Array(rgba.buffer))
    return rgba
  }
  const { data, channels } = picture
  const rgba = new Uint16Array(alpha.length * 4)
  for (let at = 0, from = 0, into = 0; at < alpha.length; at++, from += channels, into += 4) {
    if (alpha[at] === 0 && !keepHiddenColor) continue
    rgba[into] = data[from]!
    rgba[into + 1] = data[from + 1]!
    rgba[into + 2] = data[from + 2]!
    rgba[into + 3] = alpha[at]!
  }
  return rgba
}

/** Little-endian, as on every platform Node runs on with onnxruntime and sharp. */
function fillBytes(
  data: Uint8Array,
  channels: 3 | 4,
  alpha: Uint8Array,
  keepHiddenColor: boolean,
  pixels: Uint32Array,
): void {
  // Most of a picture is clear: skip four pixels at once, and copy opaque RGB four at once.
  const fours = wordsOf(alpha)
  const words = channels === 3 ? wordsOf(data) : new Uint32Array()
  for (let start = 0; start < alpha.length; start += 4) {
    const four = fours[start >> 2]
    if (four === 0 && !keepHiddenColor) continue
    if (four === 0xffffffff && words.length > 0) {
      const from = (start >> 2) * 3
      const [first, second, third] = [words[from]!, words[from + 1]!, words[from + 2]!]
      pixels[start] = first | opaque
      pixels[start + 1] = (first >>> 24) | (second << 8) | opaque
      pixels[start + 2] = (second >>> 16) | (third << 16) | opaque
      pixels[start + 3] = (third >>> 8) | opaque
      continue
    }
    const end = Math.min(start + 4, alpha.length)
    for (let at = start, from = start * channels; at < end; at++, from += channels) {
      const opacity = alpha[at]!
      if (opacity === 0 && !keepHiddenColor) continue
      pixels[at] = data[from]! | (data[from + 1]! << 8) | (data[from + 2]! << 16) | (opacity << 24)
    }
  }
}

const opaque = 0xff000000

function toBytes(samples: Uint16Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(samples.length)
  for (let at = 0; at < bytes.length; at++) bytes[at] = (samples[at]! / 257 + 0.5) | 0
  return bytes
}

function boundingBox(mask: Uint8Array, width: number, height: number): Box | undefined {
  const box = { left: width, top: height, right: -1, bottom: -1 }
  const fours = wordsOf(mask)
  for (let y = 0; y < height; y++) {
    const start = y * width
    const end = start + width
    let first = start
    // Skips clear pixels four at once, also past the row's end.
    while (first < end && mask[first]! < visibleFrom)
      first += first % 4 === 0 && fours[first >> 2] === 0 ? 4 : 1
    if (first >= end) continue
    let last = end - 1
    while (mask[last]! < visibleFrom) last -= last % 4 === 3 && fours[last >> 2] === 0 ? 4 : 1
    box.left = Math.min(box.left, first - start)
    box.right = Math.max(box.right, last - start)
    box.top = Math.min(box.top, y)
    box.bottom = y
  }
  if (box.right < 0) return undefined
  return {
    left: box.left,
    top: box.top,
    width: box.right - box.left + 1,
    height: box.bottom - box.top + 1,
  }
}
