/** How near a mask comes to its reference. */

export interface Score {
  /** Intersection over union at alpha 0.5. */
  iou: number
  /** Mean absolute error of alpha, 0..1. */
  mae: number
  /** IoU within 2 % of the diagonal from an outline (Cheng et al., CVPR 2021). */
  boundaryIou: number
}

/** @param mask as the reference: 0..255, width * height bytes */
export function score(mask: Uint8Array, reference: Uint8Array, width: number, height: number): Score {
  let error = 0
  for (let i = 0; i < mask.length; i++) error += Math.abs(mask[i]! - reference[i]!)
  const [found, truth] = [binary(mask), binary(reference)]
  const reach = Math.max(1, Math.round(0.02 * Math.hypot(width, height)))
  const rims = [found, truth].map((each) => rim(each, width, height, reach))
  return {
    iou: overlap(found, truth),
    mae: error / 255 / mask.length,
    boundaryIou: overlap(rims[0]!, rims[1]!),
  }
}

const binary = (mask: Uint8Array): Uint8Array => mask.map((alpha) => (alpha >= 128 ? 1 : 0))

function overlap(a: Uint8Array, b: Uint8Array): number {
  let [both, either] = [0, 0]
  for (let i = 0; i < a.length; i++) {
    both += a[i]! & b[i]!
    either += a[i]! | b[i]!
  }
  return either === 0 ? 1 : both / either
}

/** What of a mask lies within `reach` of its outline; the frame is no outline. */
function rim(mask: Uint8Array, width: number, height: number, reach: number): Uint8Array {
  const sums = new Uint32Array((width + 1) * (height + 1))
  for (let y = 0; y < height; y++) {
    for (let x = 0, row = 0; x < width; x++) {
      row += 1 - mask[y * width + x]!
      sums[(y + 1) * (width + 1) + x + 1] = sums[y * (width + 1) + x + 1]! + row
    }
  }
  const result = new Uint8Array(mask.length)
  for (let y = 0; y < height; y++) {
    const [top, bottom] = [Math.max(y - reach, 0), Math.min(y + reach + 1, height)]
    for (let x = 0; x < width; x++) {
      if (!mask[y * width + x]) continue
      const [left, right] = [Math.max(x - reach, 0), Math.min(x + reach + 1, width)]
      const at = (u: number, v: number) => sums[v * (width + 1) + u]!
      result[y * width + x] =
        at(right, bottom) - at(left, bottom) - at(right, top) + at(left, top) > 0 ? 1 : 0
    }
  }
  return result
}
