/** Bringing a picture to a model's size: arithmetic only, runs in a pixel thread. */
import type { Picture } from './composite.ts'

/** For every target pixel the first source pixel that counts, and the weights of it and the next ones. */
export interface Filter {
  first: Uint32Array
  /** `taps` for each target pixel, adding up to 1. */
  weights: Float32Array
  taps: number
}

/**
 * Stretches a picture as PIL and torchvision do with BILINEAR, which models are trained with: a triangle filter that
 * widens with the reduction, so that nothing is skipped (Pillow, `Resample.c`). What is transparent is white: the
 * colour stored under it is arbitrary, and a subject on white is what models know best.
 *
 * @param picture 8 or 16 bits
 * @returns interleaved 8-bit RGB, width * height * 3 bytes
 */
export function resample(picture: Picture, width: number, height: number): Uint8Array<ArrayBuffer> {
  const across = triangle(picture.width, width)
  const down = triangle(picture.height, height)
  const rgb = new Uint8Array(width * height * 3)
  // Rows are summed first, over the whole width, and only then every sum is narrowed.
  const sums = new Float32Array(picture.width * 3)
  for (let y = 0; y < height; y++) {
    sums.fill(0)
    for (let tap = 0; tap < down.taps; tap++) {
      const weight = down.weights[y * down.taps + tap]!
      if (weight > 0) addRow(picture, down.first[y]! + tap, weight, sums)
    }
    narrow(sums, across, rgb, y * width * 3)
  }
  return rgb
}

/** A triangle over the target pixel's place in the source, at least two source pixels wide. */
export function triangle(source: number, target: number): Filter {
  const scale = source / target
  const support = Math.max(scale, 1)
  const taps = Math.min(scale > 1 ? Math.ceil(support) * 2 + 1 : 2, source)
  const first = new Uint32Array(target)
  const weights = new Float32Array(target * taps)
  for (let i = 0; i < target; i++) {
    const centre = (i + 0.5) * scale
    const from = Math.min(Math.max(Math.floor(centre - support + 0.5), 0), source - taps)
    const weightOf = (tap: number) => Math.max(0, 1 - Math.abs((from + tap + 0.5 - centre) / support))
    let total = 0
    for (let tap = 0; tap < taps; tap++) total += weightOf(tap)
    first[i] = from
    for (let tap = 0; tap < taps; tap++) weights[i * taps + tap] = weightOf(tap) / total
  }
  return { first, weights, taps }
}

function addRow({ data, width, channels }: Picture, y: number, weight: number, sums: Float32Array): void {
  const maximum = data instanceof Uint16Array ? 65535 : 255
  const scaled = (weight * 255) / maximum
  if (channels === 3) {
    for (let i = 0, from = y * width * 3; i < sums.length; i += 3, from += 3) {
      sums[i]! += data[from]! * scaled
      sums[i + 1]! += data[from + 1]! * scaled
      sums[i + 2]! += data[from + 2]! * scaled
    }
    return
  }
  for (let i = 0, from = y * width * 4; i < sums.length; i += 3, from += 4) {
    const alpha = data[from + 3]! / maximum
    const white = (1 - alpha) * 255 * weight
    sums[i]! += data[from]! * alpha * scaled + white
    sums[i + 1]! += data[from + 1]! * alpha * scaled + white
    sums[i + 2]! += data[from + 2]! * alpha * scaled + white
  }
}

function narrow(sums: Float32Array, { first, weights, taps }: Filter, rgb: Uint8Array, start: number): void {
  for (let x = 0, into = start; x < first.length; x++, into += 3) {
    let [red, green, blue] = [0.5, 0.5, 0.5]
    for (let tap = 0, from = first[x]! * 3; tap < taps; tap++, from += 3) {
      const weight = weights[x * taps + tap]!
      red += sums[from]! * weight
      green += sums[from + 1]! * weight
      blue += sums[from + 2]! * weight
    }
    rgb[into] = red
    rgb[into + 1] = green
    rgb[into + 2] = blue
  }
}
