/** A point, a direction or a linear-light RGB colour. World units are decimetres, y is up, the camera looks to -z. */
export type Vector = readonly [number, number, number]

export const add = (a: Vector, b: Vector): Vector => [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
export const subtract = (a: Vector, b: Vector): Vector => [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
export const multiply = (a: Vector, b: Vector): Vector => [a[0] * b[0], a[1] * b[1], a[2] * b[2]]
export const scale = (a: Vector, by: number): Vector => [a[0] * by, a[1] * by, a[2] * by]
export const dot = (a: Vector, b: Vector): number => a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
export const length = (a: Vector): number => Math.sqrt(dot(a, a))
export const normalise = (a: Vector): Vector => scale(a, 1 / (length(a) || 1))
export const cross = (a: Vector, b: Vector): Vector => [
  a[1] * b[2] - a[2] * b[1],
  a[2] * b[0] - a[0] * b[2],
  a[0] * b[1] - a[1] * b[0],
]
/** The point reached from `from` after `distance` along `direction`. */
export const along = (from: Vector, direction: Vector, distance: number): Vector => [
  from[0] + direction[0] * distance,
  from[1] + direction[1] * distance,
  from[2] + direction[2] * distance,
]
export const mixVectors = (a: Vector, b: Vector, t: number): Vector => [
  a[0] + (b[0] - a[0]) * t,
  a[1] + (b[1] - a[1]) * t,
  a[2] + (b[2] - a[2]) * t,
]
export const reflect = (direction: Vector, normal: Vector): Vector =>
  along(direction, normal, -2 * dot(direction, normal))

/** Two directions that stand on `normal` and on each other. */
export function basis(normal: Vector): [Vector, Vector] {
  const helper: Vector = Math.abs(normal[1]) < 0.95 ? [0, 1, 0] : [1, 0, 0]
  const right = normalise(cross(helper, normal))
  return [right, cross(normal, right)]
}

export const clamp = (value: number, from = 0, to = 1): number => Math.min(Math.max(value, from), to)
export const mix = (a: number, b: number, t: number): number => a + (b - a) * t
/** 0 up to `from`, 1 from `to` on, smooth between. */
export function smoothstep(from: number, to: number, value: number): number {
  const t = clamp((value - from) / (to - from))
  return t * t * (3 - 2 * t)
}

/** Linear-light colour of an sRGB hex triplet such as `c8553d`. */
export function colour(hex: string): Vector {
  const channel = (at: number) => {
    const value = Number.parseInt(hex.slice(at, at + 2), 16) / 255
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
  }
  return [channel(0), channel(2), channel(4)]
}
