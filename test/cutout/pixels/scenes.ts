/** Pictures whose foreground, background and alpha are known exactly, for measuring edges. */

export interface Scene {
  name: string
  width: number
  height: number
  /** Interleaved RGB, the subject's colors everywhere. */
  foreground: Uint8Array
  /** Interleaved RGB, the backdrop's colors everywhere. */
  background: Uint8Array
  /** One value per pixel. */
  alpha: Uint8Array
  /** Interleaved RGB: what a camera would have seen. */
  observed: Uint8Array
}

type Color = [red: number, green: number, blue: number]
/** Colors 0..1 at a place, both coordinates relative to the longer side. */
type Paint = (u: number, v: number) => Color
type Shape = (width: number, height: number) => Float32Array

const clamp = (value: number) => Math.min(1, Math.max(0, value))

/** A number in -1..1 that looks random and is the same every time. */
function hash(x: number, y: number, seed: number): number {
  let h = Math.imul(x, 0x85ebca6b) ^ Math.imul(y, 0xc2b2ae35) ^ Math.imul(seed, 0x27d4eb2f)
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d)
  h = Math.imul(h ^ (h >>> 12), 0x297a2d39)
  return ((h ^ (h >>> 15)) >>> 0) / 2 ** 31 - 1
}

const smooth = (t: number) => t * t * (3 - 2 * t)

/** Noise with features of 1 / `frequency` of the longer side, -1..1. */
function noise(u: number, v: number, frequency: number, seed: number): number {
  const x = Math.floor(u * frequency)
  const y = Math.floor(v * frequency)
  const s = smooth(u * frequency - x)
  const t = smooth(v * frequency - y)
  const top = hash(x, y, seed) * (1 - s) + hash(x + 1, y, seed) * s
  const bottom = hash(x, y + 1, seed) * (1 - s) + hash(x + 1, y + 1, seed) * s
  return top * (1 - t) + bottom * t
}

const textured =
  (paint: Paint, strength: number, frequencies: number[]): Paint =>
  (u, v) => {
    const color: Color = [...paint(u, v)]
    // Plain loops, here and below: a million pixels pass through them.
    for (let channel = 0; channel < 3; channel++) {
      let sum = 0
      for (let i = 0; i < frequencies.length; i++)
        sum += strength * noise(u, v, frequencies[i]!, i * 7 + channel)
      color[channel]! += sum
    }
    return color
  }

const skin: Paint = (u, v) => [0.75 + 0.15 * Math.sin(u * 7), 0.5 + 0.2 * Math.cos(v * 8), 0.35]
const brown: Paint = (u, v) => [0.25 + 0.1 * Math.sin(u * 10), 0.16 + 0.05 * Math.cos(v * 11), 0.1]
const green: Paint = (_, v) => [0.05, 0.75 - 0.2 * v, 0.15]
const blue: Paint = (u) => [0.1, 0.2 + 0.1 * u, 0.9]
const white: Paint = () => [0.97, 0.97, 0.97]
const grey: Paint = () => [0.5, 0.5, 0.5]
const checks: Paint = (u, v) =>
  (Math.floor(u * 25) + Math.floor(v * 25)) % 2 ? [0.9, 0.2, 0.2] : [0.1, 0.3, 0.8]
const busy = textured(grey, 0.3, [40, 9])

/** @param softness width of the edge, relative to the longer side like the radius */
function disc(radius: number, softness: number): Shape {
  return (width, height) => {
    const side = Math.max(width, height)
    const alpha = new Float32Array(width * height)
    for (let at = 0; at < alpha.length; at++) {
      const x = (at % width) + 0.5 - width / 2
      const y = Math.floor(at / width) + 0.5 - height / 2
      alpha[at] = clamp((radius - Math.hypot(x, y) / side) / softness + 0.5)
    }
    return alpha
  }
}

/** A head with `count` strands around it, each about a pixel wide at 1024 pixels. */
function hair(count: number): Shape {
  return (width, height) => {
    const side = Math.max(width, height)
    const alpha = disc(0.17, 0.008)(width, height)
    const half = Math.max(0.75, (1.1 * side) / 1024)
    for (let strand = 0; strand < count; strand++) {
      const random = (what: number) => hash(strand, what, 99)
      const start = random(1) * Math.PI
      const bend = random(2)
      const length = (0.08 + 0.04 * random(3)) * side
      let x = width / 2 + 0.165 * side * Math.cos(start)
      let y = height / 2 + 0.165 * side * Math.sin(start)
      const pace = 0.5
      for (let t = 0; t < length; t += pace) {
        x += Math.cos(start + (bend * t) / length) * pace
        y += Math.sin(start + (bend * t) / length) * pace
        const reach = Math.ceil(half + 1)
        for (let j = Math.floor(y) - reach; j <= y + reach; j++) {
          for (let i = Math.floor(x) - reach; i <= x + reach; i++) {
            if (i < 0 || j < 0 || i >= width || j >= height) continue
            const value = clamp(1.3 - Math.hypot(i + 0.5 - x, j + 0.5 - y) / (half + 0.4))
            alpha[j * width + i] = Math.max(alpha[j * width + i]!, value)
          }
        }
      }
    }
    return alpha
  }
}

/** Nowhere opaque. */
const glass: Shape = (width, height) =>
  disc(0.2, 0.02)(width, height).map(
    (value, at) => value * (0.35 + 0.15 * Math.sin((at % width) / width / 0.06)),
  )

const recipes: Record<string, { shape: Shape; foreground: Paint; background: Paint }> = {
  'soft disc, smooth, on green': { shape: disc(0.2, 0.03), foreground: skin, background: green },
  'soft disc, textured, on green': {
    shape: disc(0.2, 0.03),
    foreground: textured(skin, 0.15, [200, 30]),
    background: green,
  },
  'soft disc, textured, on a busy backdrop': {
    shape: disc(0.2, 0.03),
    foreground: textured(skin, 0.3, [80]),
    background: busy,
  },
  'narrow edge, textured, on white': {
    shape: disc(0.22, 0.003),
    foreground: textured(skin, 0.15, [200, 30]),
    background: white,
  },
  'narrow edge, textured, on checks': {
    shape: disc(0.22, 0.003),
    foreground: textured(skin, 0.3, [80]),
    background: checks,
  },
  'hair, brown, on green': { shape: hair(400), foreground: textured(brown, 0.05, [250]), background: green },
  'hair, brown, on white': { shape: hair(400), foreground: textured(brown, 0.05, [250]), background: white },
  'hair, fair, on blue': { shape: hair(400), foreground: skin, background: textured(blue, 0.03, [250]) },
  'hair, textured, on a busy backdrop': {
    shape: hair(400),
    foreground: textured(skin, 0.15, [200, 30]),
    background: busy,
  },
  'hair, brown, on checks': {
    shape: hair(400),
    foreground: textured(brown, 0.05, [250]),
    background: checks,
  },
  'glass, smooth, on green': { shape: glass, foreground: skin, background: green },
  'glass, textured, on a busy backdrop': {
    shape: glass,
    foreground: textured(skin, 0.15, [200, 30]),
    background: busy,
  },
}

export const sceneNames = Object.keys(recipes)

/** Renders a scene; the same name and size give the same bytes. */
export function scene(name: string, width: number, height: number): Scene {
  const recipe = recipes[name]!
  const side = Math.max(width, height)
  const foreground = new Uint8Array(width * height * 3)
  const background = new Uint8Array(width * height * 3)
  const alpha = Uint8Array.from(recipe.shape(width, height), (value) => Math.round(value * 255))
  for (let at = 0; at < width * height; at++) {
    const u = ((at % width) + 0.5) / side
    const v = (Math.floor(at / width) + 0.5) / side
    const front = recipe.foreground(u, v)
    const behind = recipe.background(u, v)
    for (let channel = 0; channel < 3; channel++) {
      foreground[at * 3 + channel] = Math.round(clamp(front[channel]!) * 255)
      background[at * 3 + channel] = Math.round(clamp(behind[channel]!) * 255)
    }
  }
  return {
    name,
    width,
    height,
    foreground,
    background,
    alpha,
    observed: blend(foreground, alpha, background),
  }
}

/** `foreground` over `background`, interleaved RGB. */
export function blend(
  foreground: Uint8Array,
  alpha: Uint8Array,
  background: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(foreground.length)
  for (let i = 0; i < result.length; i++) {
    const a = alpha[Math.floor(i / 3)]! / 255
    result[i] = Math.round(a * foreground[i]! + (1 - a) * background[i]!)
  }
  return result
}

/** Mean absolute difference per channel, in levels of 255, of pixels that are neither in nor out. */
export function errorWhereSoft(colors: Uint8Array, truth: Uint8Array, alpha: Uint8Array): number {
  let sum = 0
  let count = 0
  for (let at = 0; at < alpha.length; at++) {
    if (alpha[at] === 0 || alpha[at] === 255) continue
    for (let i = at * 3; i < at * 3 + 3; i++) sum += Math.abs(colors[i]! - truth[i]!)
    count += 3
  }
  return sum / count
}
