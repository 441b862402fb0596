/** Resizes a picture to a model's size. */

import type { Picture, Samples } from '../../../../src/cutout/picture.ts'

/** For every target pixel: the first source pixel that counts, and the weights of that one and the next. */
export interface Filter {
  first: Uint32Array
  /** `taps` for each target pixel, adding up to 1. */
  weights: Float32Array
  taps: number
}

/**
 * Stretches a picture as PIL and torchvision do with BILINEAR, which models are trained with: a triangle filter that
 * widens with the reduction, so that no pixel is skipped (Pillow, `Resample.c`). Transparency becomes white: the color
 * stored under it is arbitrary, and models know subjects on white best.
 *
 * @param picture 8 or 16 bits
 * @returns interleaved 8-bit RGB, width * height * 3 bytes
 */
export function resample(picture: Picture, width: number, height: number): Uint8Array<ArrayBuffer> {
  const across = triangle(picture.width, width)
  const down = triangle(picture.height, height)
  const unit = 255 / maximumOf(picture.data)
  const rgb = new Uint8Array(width * height * 3)
  // Each row is narrowed once, and kept here for the target rows that need it.
  const narrowed = Array.from({ length: down.taps }, () => new Float32Array(width * 3))
  const sums = new Float32Array(width * 3)
  const narrowRow = picture.channels === 4 ? narrowOnWhite : narrow
  for (let y = 0, next = 0; y < height; y++) {
    const first = down.first[y]!
    for (; next < first + down.taps; next++) narrowRow(picture, next, across, narrowed[next % down.taps]!)
    // Two rows at a time halve the reads and writes of the sums.
    const [low, high] = [y * down.taps, (y + 1) * down.taps]
    sums.fill(0.5)
    for (let at = low, tap = first; at < high; at += 2, tap += 2) {
      const [even, odd] = [narrowed[tap % down.taps]!, narrowed[(tap + 1) % down.taps]!]
      const weights = [down.weights[at]! * unit, at + 1 < high ? down.weights[at + 1]! * unit : 0] as const
      if (at + 2 < high) addRows(even, odd, weights, sums)
      else addAndRound(even, odd, weights, sums, rgb.subarray(y * sums.length, (y + 1) * sums.length))
    }
  }
  return rgb
}

/** A triangle over the target pixel's place in the source, at least two source pixels wide. */
export function triangle(source: number, target: number): Filter {
  const scale = source / target
  const support = Math.max(scale, 1)
  const taps = Math.min(Math.ceil(support * 2), source)
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

type Weights = readonly [even: number, odd: number]

function addRows(even: Float32Array, odd: Float32Array, [e, o]: Weights, sums: Float32Array): void {
  for (let i = 0; i < sums.length; i++) sums[i]! += even[i]! * e + odd[i]! * o
}

function addAndRound(
  even: Float32Array,
  odd: Float32Array,
  [e, o]: Weights,
  sums: Float32Array,
  rgb: Uint8Array,
): void {
  for (let i = 0; i < sums.length; i++) rgb[i] = sums[i]! + even[i]! * e + odd[i]! * o
}

/** One row of a picture at the target's width, in the picture's own scale. */
function narrow(
  { data, width }: Picture,
  y: number,
  { first, weights, taps }: Filter,
  row: Float32Array,
): void {
  const start = y * width * 3
  for (let x = 0, into = 0, w = 0; x < first.length; x++, into += 3) {
    let red = 0
    let green = 0
    let blue = 0
    let from = start + first[x]! * 3
    for (const end = from + taps * 3; from < end; from += 3, w++) {
      const weight = weights[w]!
      red += data[from]! * weight
      green += data[from + 1]! * weight
      blue += data[from + 2]! * weight
    }
    row[into] = red
    row[into + 1] = green
    row[into + 2] = blue
  }
}

/** The same for RGBA. A loop of its own, because a branch in the inner loop would take as long as its work. */
function narrowOnWhite(
  { data, width }: Picture,
  y: number,
  { first, weights, taps }: Filter,
  row: Float32Array,
): void {
  const start = y * width * 4
  const maximum = maximumOf(data)
  for (let x = 0, into = 0, w = 0; x < first.length; x++, into += 3) {
    let red = 0
    let green = 0
    let blue = 0
    let from = start + first[x]! * 4
    for (const end = from + taps * 4; from < end; from += 4, w++) {
      const weight = weights[w]!
      const own = (data[from + 3]! / maximum) * weight
      const white = maximum * weight - maximum * own
      red += data[from]! * own + white
      green += data[from + 1]! * own + white
      blue += data[from + 2]! * own + white
    }
    row[into] = red
    row[into + 1] = green
    row[into + 2] = blue
  }
}

const maximumOf = (samples: Samples): number => (samples instanceof Uint16Array ? 65535 : 255)
