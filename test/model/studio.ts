/** Studio shots rendered with their exact alpha: a shaded subject, a cast shadow, a backdrop, a camera. */

import sharp from 'sharp'
import { randomNumbers } from '../support/random.ts'

type Color = [number, number, number]
/** x, y in 0..1 over the picture; signed distance in the same unit, negative inside. */
type Distance = (x: number, y: number) => number

export interface Shot {
  subject?: Distance
  /** sRGB 0..1. */
  color?: (x: number, y: number) => Color
  backdrop: (x: number, y: number) => Color
  /** How dark the cast shadow is at its darkest, 0..1. */
  shadow?: number
  /** Standard deviation of the camera's noise, 0..1. */
  noise?: number
  jpegQuality?: number
}

const circle =
  (cx: number, cy: number, r: number): Distance =>
  (x, y) =>
    Math.hypot(x - cx, y - cy) - r
const box =
  (cx: number, cy: number, w: number, h: number, r = 0): Distance =>
  (x, y) => {
    const [dx, dy] = [Math.abs(x - cx) - w + r, Math.abs(y - cy) - h + r]
    return Math.hypot(Math.max(dx, 0), Math.max(dy, 0)) + Math.min(Math.max(dx, dy), 0) - r
  }
const line =
  (ax: number, ay: number, bx: number, by: number, r: number): Distance =>
  (x, y) => {
    const [px, py, qx, qy] = [x - ax, y - ay, bx - ax, by - ay]
    const t = Math.min(Math.max((px * qx + py * qy) / (qx * qx + qy * qy), 0), 1)
    return Math.hypot(px - qx * t, py - qy * t) - r
  }
const union =
  (...parts: Distance[]): Distance =>
  (x, y) =>
    Math.min(...parts.map((part) => part(x, y)))

const side = 640

/** Renders at 640x640, then resizes picture and alpha to `size` squared as the pipeline does. */
export async function render(
  shot: Shot,
  size: number,
): Promise<{ rgb: Uint8Array<ArrayBuffer>; alpha: Float32Array }> {
  const next = randomNumbers(7)
  const gauss = () => Math.sqrt(-2 * Math.log(next() + 1e-12)) * Math.cos(2 * Math.PI * next())
  const rgb = Buffer.alloc(side * side * 3)
  const alpha = Buffer.alloc(side * side)
  for (let row = 0; row < side; row++) {
    for (let column = 0; column < side; column++) {
      const [x, y] = [(column + 0.5) / side, (row + 0.5) / side]
      const distance = shot.subject?.(x, y) ?? 1
      // A lens spreads an edge over about a pixel and a half.
      const cover = Math.min(Math.max(0.5 - (distance * side) / 1.5, 0), 1)
      const cast = shot.subject?.(x - 0.03, y - 0.05) ?? 1
      const shade = 1 - (shot.shadow ?? 0) / (1 + Math.exp(cast / 0.012))
      const behind = shot.backdrop(x, y)
      const front = shot.color?.(x, y) ?? [0, 0, 0]
      // Light from the upper left, darker towards the outline, as on anything round.
      const round = Math.min(Math.max(-distance / 0.08, 0), 1)
      const light = 0.78 + 0.22 * Math.sqrt(round) - 0.12 * (x + y - 1)
      const pixel = row * side + column
      for (let channel = 0; channel < 3; channel++) {
        const value = cover * front[channel]! * light + (1 - cover) * behind[channel]! * shade
        rgb[pixel * 3 + channel] = Math.min(
          Math.max(Math.round(255 * (value + gauss() * (shot.noise ?? 0.004))), 0),
          255,
        )
      }
      alpha[pixel] = Math.round(255 * cover)
    }
  }
  let picture = sharp(rgb, { raw: { width: side, height: side, channels: 3 } })
  if (shot.jpegQuality) picture = sharp(await picture.jpeg({ quality: shot.jpegQuality }).toBuffer())
  const fit = { fit: 'fill', kernel: 'linear' } as const
  const [input, truth] = await Promise.all([
    picture.resize(size, size, fit).raw().toBuffer(),
    sharp(alpha, { raw: { width: side, height: side, channels: 1 } })
      .resize(size, size, fit)
      .toColourspace('b-w')
      .raw()
      .toBuffer(),
  ])
  return { rgb: Uint8Array.from(input), alpha: Float32Array.from(truth, (value) => value / 255) }
}

const flat =
  (...color: Color): ((x: number, y: number) => Color) =>
  () =>
    color
const times = ([r, g, b]: Color, factor: number): Color => [r * factor, g * factor, b * factor]

const bottle = union(box(0.5, 0.6, 0.14, 0.25, 0.05), box(0.5, 0.27, 0.05, 0.12, 0.02))
const mug = union(
  box(0.45, 0.55, 0.17, 0.2, 0.03),
  (x, y) => Math.abs(Math.hypot(x - 0.64, y - 0.55) - 0.1) - 0.025,
)
const chair = union(
  box(0.5, 0.5, 0.2, 0.03),
  box(0.32, 0.32, 0.015, 0.2),
  box(0.5, 0.2, 0.2, 0.05, 0.02),
  box(0.68, 0.32, 0.015, 0.2),
  line(0.33, 0.5, 0.28, 0.85, 0.012),
  line(0.67, 0.5, 0.72, 0.85, 0.012),
  line(0.42, 0.5, 0.42, 0.8, 0.01),
  line(0.58, 0.5, 0.58, 0.8, 0.01),
)
const portrait = union(circle(0.5, 0.36, 0.15), box(0.5, 0.95, 0.33, 0.35, 0.2), box(0.5, 0.55, 0.06, 0.1))

export const studio: Record<string, Shot> = {
  'a red bottle on white': {
    subject: bottle,
    color: flat(0.75, 0.12, 0.1),
    backdrop: flat(0.96, 0.96, 0.95),
    shadow: 0.15,
  },
  'a green mug on a grey gradient with a soft shadow': {
    subject: mug,
    color: flat(0.2, 0.55, 0.3),
    backdrop: (x, y) => times([0.8, 0.8, 0.82], 1 - 0.35 * y - 0.15 * (x - 0.5) ** 2),
    shadow: 0.3,
    noise: 0.01,
  },
  'a bottle on blue with a label as blue as the backdrop': {
    subject: bottle,
    color: (x, y) => (Math.abs(x - 0.5) < 0.1 && y > 0.55 && y < 0.68 ? [0.3, 0.5, 0.8] : [0.9, 0.85, 0.7]),
    backdrop: flat(0.28, 0.47, 0.76),
    noise: 0.01,
  },
  'a noisy, hard-pressed JPEG': {
    subject: mug,
    color: flat(0.75, 0.45, 0.2),
    backdrop: (x, y) => times([0.55, 0.6, 0.58], 1.1 - 0.3 * Math.hypot(x - 0.5, y - 0.4)),
    noise: 0.035,
    jpegQuality: 55,
  },
  'a portrait that leaves at the bottom': {
    subject: portrait,
    color: (_, y) => (y > 0.6 ? [0.16, 0.2, 0.35] : [0.85, 0.65, 0.55]),
    backdrop: (x, y) => times([0.62, 0.68, 0.74], 1.1 - 0.4 * Math.hypot(x - 0.5, y - 0.5)),
    noise: 0.012,
    jpegQuality: 85,
  },
  'black on dark grey under a spotlight': {
    subject: bottle,
    color: flat(0.06, 0.06, 0.07),
    backdrop: (x, y) => times([0.3, 0.3, 0.32], 1.1 - 0.5 * ((x - 0.5) ** 2 + (y - 0.5) ** 2)),
    noise: 0.01,
  },
  'a chair with thin legs': {
    subject: chair,
    color: flat(0.45, 0.3, 0.18),
    backdrop: (_, y) => times([0.9, 0.88, 0.84], 1 - 0.15 * y),
    shadow: 0.2,
    jpegQuality: 85,
  },
}

/** Any of the shapes in any two colors that can be told apart, in some light: shot `seed` of an endless row. */
export function randomShot(seed: number): Shot {
  const next = randomNumbers(1000 + seed)
  const between = (low: number, high: number) => low + (high - low) * next()
  const pick = <T>(items: readonly T[]): T => items[Math.floor(next() * items.length)]!
  const ball = circle(0.5, 0.52, between(0.15, 0.32))
  const ringOf =
    (outer: number): Distance =>
    (x, y) =>
      Math.abs(Math.hypot(x - 0.5, y - 0.5) - outer) - 0.05
  const vase = union(
    box(0.5, 0.65, 0.18, 0.2, 0.15),
    box(0.5, 0.4, 0.06, 0.15, 0.03),
    box(0.5, 0.26, 0.1, 0.02, 0.02),
  )
  const shape = pick([bottle, mug, chair, portrait, ball, ringOf(between(0.18, 0.3)), vase])
  const color = (): Color => [next(), next(), next()]
  const light = between(0.25, 0.97)
  const ground = times([1, 1, 1], light).map((value) => value + between(-0.08, 0.08)) as Color
  const main = color()
  const contrast = Math.hypot(...main.map((value, c) => value - ground[c]!))
  const second = color()
  const edge = between(0.3, 0.8)
  const [tilt, fall] = [between(-0.25, 0.25), between(0, 0.5)]
  return {
    subject: shape,
    // Too near to the ground to be told from it: darker.
    color: (_, y) => times(y < edge ? main : second, contrast < 0.25 ? 0.4 : 1),
    backdrop: (x, y) => times(ground, 1 + tilt * (y - 0.5) - fall * ((x - 0.5) ** 2 + (y - 0.5) ** 2)),
    shadow: pick([0, 0.15, 0.3]),
    noise: between(0.002, 0.02),
    ...(next() < 0.5 && { jpegQuality: Math.round(between(60, 95)) }),
  }
}

/** A shaded white subject whose outline is in places as bright as what is behind it. */
export const whiteOnWhite: Shot = {
  subject: mug,
  color: flat(0.97, 0.97, 0.96),
  backdrop: (_, y) => times([0.97, 0.97, 0.98], 1 - 0.06 * y),
  shadow: 0.1,
}

/** Pictures with nothing on them. */
export const empty: Record<string, Shot> = {
  'white paper': { backdrop: flat(1, 1, 1), noise: 0 },
  black: { backdrop: flat(0, 0, 0), noise: 0 },
  'a dark, noisy picture': { backdrop: flat(0.06, 0.06, 0.06), noise: 0.03 },
  'a graded backdrop': {
    backdrop: (x, y) => times([0.7, 0.75, 0.8], 1.1 - 0.6 * ((x - 0.5) ** 2 + (y - 0.5) ** 2)),
    noise: 0.02,
    jpegQuality: 75,
  },
}

/** Intersection over union at alpha 0.5, and mean absolute error. */
export function compare(found: Float32Array, truth: Float32Array): { iou: number; mae: number } {
  let [both, either, error] = [0, 0, 0]
  for (let i = 0; i < truth.length; i++) {
    const [a, b] = [found[i]! >= 0.5, truth[i]! >= 0.5]
    if (a && b) both++
    if (a || b) either++
    error += Math.abs(found[i]! - truth[i]!)
  }
  return { iou: either === 0 ? 1 : both / either, mae: error / truth.length }
}
