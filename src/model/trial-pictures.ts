/**
 * Pictures that a model is tried on: rendered, so that they are the same bytes on every machine, weigh nothing in the
 * package, and come with their exact alpha.
 */

export const trialPictures = ['bottle', 'portrait', 'ball'] as const
export type TrialPictureName = (typeof trialPictures)[number]

export interface TrialPicture {
  name: TrialPictureName
  /** Interleaved 8-bit RGB, width * height * 3 bytes, on an ArrayBuffer of its own. */
  rgb: Uint8Array<ArrayBuffer>
  /** Where the subject really is: 0..1, width * height values. */
  alpha: Float32Array
}

type Color = readonly [number, number, number]
/** x and y in 0..1 over the picture; signed distance in the same unit, negative inside. */
type Distance = (x: number, y: number) => number

/** A piece of the subject, in sRGB 0..1; later ones cover earlier ones. */
interface Part {
  shape: Distance
  color: (x: number, y: number) => Color
}

interface Scene {
  parts: Part[]
  backdrop: (x: number, y: number) => Color
  /** How dark the shadow beside the subject is, 0..1. */
  shadow: number
}

const ellipse =
  (cx: number, cy: number, rx: number, ry: number): Distance =>
  (x, y) =>
    (Math.hypot((x - cx) / rx, (y - cy) / ry) - 1) * Math.min(rx, ry)

const box =
  (cx: number, cy: number, halfWidth: number, halfHeight: number, radius: number): Distance =>
  (x, y) => {
    const dx = Math.abs(x - cx) - halfWidth + radius
    const dy = Math.abs(y - cy) - halfHeight + radius
    return Math.hypot(Math.max(dx, 0), Math.max(dy, 0)) + Math.min(Math.max(dx, dy), 0) - radius
  }

const flat =
  (...color: Color) =>
  () =>
    color

/** A round body lit from the left: dark towards both sides of `cx`, with a highlight. */
const turned =
  (cx: number, halfWidth: number, [r, g, b]: Color) =>
  (x: number): Color => {
    const across = Math.min(Math.max((x - cx) / halfWidth, -1), 1)
    const light = 0.45 + 0.55 * Math.sqrt(1 - across * across)
    const shine = 0.5 * Math.max(1 - Math.abs(across + 0.45) / 0.12, 0)
    return [r * light + shine, g * light + shine, b * light + shine]
  }

/** A sphere lit from the upper left. */
const ballColor =
  (cx: number, cy: number, radius: number, [r, g, b]: Color) =>
  (x: number, y: number): Color => {
    const light =
      1.1 - 0.75 * Math.min(Math.hypot(x - cx + radius * 0.35, y - cy + radius * 0.4) / radius, 1.4)
    return [r * light, g * light, b * light]
  }

const scenes: Record<TrialPictureName, Scene> = {
  bottle: {
    backdrop: (_, y) => (y < 0.72 ? [0.93 - 0.1 * y, 0.93 - 0.1 * y, 0.94 - 0.1 * y] : [0.8, 0.79, 0.77]),
    shadow: 0.35,
    parts: [
      { shape: box(0.5, 0.24, 0.05, 0.13, 0.02), color: turned(0.5, 0.05, [0.12, 0.4, 0.2]) },
      { shape: box(0.5, 0.15, 0.056, 0.04, 0.01), color: turned(0.5, 0.056, [0.6, 0.45, 0.2]) },
      { shape: box(0.5, 0.6, 0.15, 0.27, 0.07), color: turned(0.5, 0.15, [0.12, 0.45, 0.22]) },
      { shape: box(0.5, 0.63, 0.148, 0.11, 0.005), color: turned(0.5, 0.15, [0.95, 0.9, 0.8]) },
      { shape: box(0.5, 0.63, 0.09, 0.03, 0.005), color: turned(0.5, 0.15, [0.65, 0.15, 0.12]) },
    ],
  },
  portrait: {
    backdrop: (x, y) => [
      0.42 + 0.18 * y + 0.06 * Math.sin(9 * x),
      0.55 + 0.08 * Math.sin(7 * x + 5 * y),
      0.62 - 0.2 * y,
    ],
    shadow: 0,
    parts: [
      { shape: ellipse(0.5, 0.33, 0.17, 0.21), color: flat(0.2, 0.12, 0.08) },
      { shape: box(0.5, 0.55, 0.065, 0.12, 0.05), color: flat(0.72, 0.5, 0.4) },
      { shape: box(0.5, 1.0, 0.34, 0.37, 0.2), color: (x) => [0.14, 0.18 + 0.1 * (1 - x), 0.36] },
      { shape: ellipse(0.5, 0.64, 0.1, 0.05), color: flat(0.75, 0.53, 0.42) },
      { shape: ellipse(0.5, 0.37, 0.125, 0.165), color: ballColor(0.5, 0.37, 0.25, [0.93, 0.7, 0.58]) },
      { shape: ellipse(0.5, 0.22, 0.14, 0.06), color: flat(0.2, 0.12, 0.08) },
      { shape: ellipse(0.45, 0.355, 0.022, 0.011), color: flat(0.97, 0.97, 0.97) },
      { shape: ellipse(0.55, 0.355, 0.022, 0.011), color: flat(0.97, 0.97, 0.97) },
      { shape: ellipse(0.45, 0.355, 0.01, 0.01), color: flat(0.15, 0.1, 0.08) },
      { shape: ellipse(0.55, 0.355, 0.01, 0.01), color: flat(0.15, 0.1, 0.08) },
      { shape: box(0.45, 0.33, 0.028, 0.005, 0.004), color: flat(0.2, 0.12, 0.08) },
      { shape: box(0.55, 0.33, 0.028, 0.005, 0.004), color: flat(0.2, 0.12, 0.08) },
      { shape: ellipse(0.5, 0.41, 0.016, 0.012), color: flat(0.75, 0.5, 0.42) },
      { shape: ellipse(0.5, 0.46, 0.04, 0.012), color: flat(0.7, 0.3, 0.3) },
    ],
  },
  ball: {
    backdrop: (x, y) => {
      const grain = 0.03 * Math.sin(60 * y + 4 * Math.sin(5 * x))
      return y < 0.5 ? [0.35, 0.4 + 0.1 * x, 0.42] : [0.5 + grain, 0.36 + grain, 0.24 + grain]
    },
    shadow: 0.5,
    parts: [
      { shape: ellipse(0.5, 0.55, 0.24, 0.24), color: ballColor(0.5, 0.55, 0.24, [0.98, 0.5, 0.12]) },
      { shape: ellipse(0.56, 0.3, 0.09, 0.03), color: flat(0.25, 0.5, 0.15) },
    ],
  },
}

/** No light burns out. */
const brightest = 0.98

/**
 * Renders a trial picture at a model's input size.
 *
 * @param size in pixels
 */
export function renderTrialPicture(
  name: TrialPictureName,
  { width, height }: { width: number; height: number },
): TrialPicture {
  const scene = scenes[name]
  const rgb = new Uint8Array(width * height * 3)
  const alpha = new Float32Array(width * height)
  const side = Math.min(width, height)
  let seed = 1
  for (let row = 0, at = 0; row < height; row++) {
    for (let column = 0; column < width; column++, at++) {
      const [color, cover] = pixelOf(scene, (column + 0.5) / width, (row + 0.5) / height, side)
      alpha[at] = cover
      // A camera's noise: backgrounds that are flat to the last bit occur in no photograph.
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
      const noise = (seed / 2 ** 32 - 0.5) * 0.02
      for (let channel = 0; channel < 3; channel++) {
        rgb[at * 3 + channel] = Math.round(255 * Math.min(Math.max(color[channel]! + noise, 0), brightest))
      }
    }
  }
  return { name, rgb, alpha }
}

/** @param side pixels: an edge is a pixel and a half wide */
function pixelOf({ parts, backdrop, shadow }: Scene, x: number, y: number, side: number) {
  let color = backdrop(x, y)
  if (shadow > 0) {
    const distance = Math.min(...parts.map(({ shape }) => shape(x - 0.04, y - 0.06)))
    const shade = 1 - shadow / (1 + Math.exp(distance / 0.02))
    color = [color[0] * shade, color[1] * shade, color[2] * shade]
  }
  let alpha = 0
  for (const part of parts) {
    const cover = Math.min(Math.max(0.5 - (part.shape(x, y) * side) / 1.5, 0), 1)
    if (cover === 0) continue
    const own = part.color(x, y)
    color = [mix(color[0], own[0], cover), mix(color[1], own[1], cover), mix(color[2], own[2], cover)]
    alpha += (1 - alpha) * cover
  }
  return [color, alpha] as const
}

const mix = (a: number, b: number, share: number): number => a + (b - a) * share
