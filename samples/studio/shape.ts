import type { Distance } from './distance.ts'
import { add, along, clamp, dot, normalise, type Vector } from './vector.ts'

/** What light does at a point of a surface. */
export interface Material {
  albedo: Vector
  /** 0 a mirror, 1 chalk. */
  roughness: number
  /** Reflectance seen head on: 0.04 for most things; metals take their albedo instead. */
  reflectance: number
  metal?: boolean
  /** Light that creeps around into the shade, as in wax, leaves and fruit: 0 to 1. */
  softness?: number
  /** Colour left of white light after one decimetre of glass; absent: opaque. */
  glass?: Vector
}

export interface Hit {
  /** Along the ray. */
  distance: number
  point: Vector
  /** Towards the side the ray came from. */
  normal: Vector
  material: () => Material
}

export interface Shape {
  intersect(origin: Vector, direction: Vector): Hit | undefined
  /** How much of a lamp of angular radius `size` is seen from a point: 0 to 1. */
  visibility(origin: Vector, direction: Vector, size: number): number
  isBlocked(origin: Vector, direction: Vector): boolean
  /** How open the surroundings are: 0 to 1. */
  openness(point: Vector, normal: Vector): number
}

export interface Bounds {
  centre: Vector
  radius: number
}

/** Where a ray runs inside a sphere, as distances along it; undefined when it misses. */
export function span(origin: Vector, direction: Vector, { centre, radius }: Bounds): [number, number] | undefined {
  const [x, y, z] = [origin[0] - centre[0], origin[1] - centre[1], origin[2] - centre[2]]
  const b = x * direction[0] + y * direction[1] + z * direction[2]
  const inside = b * b - (x * x + y * y + z * z - radius * radius)
  if (inside < 0) return undefined
  const root = Math.sqrt(inside)
  return -b + root < 0 ? undefined : [Math.max(-b - root, 0), -b + root]
}

/** A solid given by its distance field, found by walking along the ray as far as is safe (Hart 1996). */
export function solid(
  distance: Distance,
  bounds: Bounds,
  materialAt: (x: number, y: number, z: number, normal: Vector) => Material,
): Shape & { march: (origin: Vector, direction: Vector, side: 1 | -1) => number } {
  function march(origin: Vector, direction: Vector, side: 1 | -1): number {
    const range = span(origin, direction, bounds)
    if (!range) return Number.POSITIVE_INFINITY
    const [ox, oy, oz] = origin
    const [dx, dy, dz] = direction
    let t = range[0]
    for (let step = 0; step < 220 && t < range[1]; step++) {
      const free = side * distance(ox + dx * t, oy + dy * t, oz + dz * t)
      if (free < 0.0004) return t
      t += free
    }
    return Number.POSITIVE_INFINITY
  }

  function normalAt([x, y, z]: Vector): Vector {
    const e = 0.0007
    const a = distance(x + e, y - e, z - e)
    const b = distance(x - e, y - e, z + e)
    const c = distance(x - e, y + e, z - e)
    const d = distance(x + e, y + e, z + e)
    return normalise([a - b - c + d, -a - b + c + d, -a + b - c + d])
  }

  return {
    march,
    intersect(origin, direction) {
      const t = march(origin, direction, 1)
      if (t === Number.POSITIVE_INFINITY) return undefined
      const point = along(origin, direction, t)
      const normal = normalAt(point)
      return { distance: t, point, normal, material: () => materialAt(...point, normal) }
    },
    isBlocked: (origin, direction) => march(origin, direction, 1) !== Number.POSITIVE_INFINITY,
    // Quilez, "Soft shadows in raymarched SDFs": the narrowest gap on the way, relative to its distance.
    visibility(origin, direction, size) {
      const range = span(origin, direction, bounds)
      if (!range) return 1
      let [seen, t] = [1, Math.max(range[0], 0.004)]
      for (let step = 0; step < 90 && t < range[1]; step++) {
        const [x, y, z] = along(origin, direction, t)
        const free = distance(x, y, z)
        seen = Math.min(seen, free / (size * t))
        if (seen < -1) break
        t += clamp(free, 0.006, 0.15)
      }
      seen = clamp(seen, -1, 1)
      return 0.25 * (1 + seen) ** 2 * (2 - seen)
    },
    openness(point, normal) {
      let [closed, weight] = [0, 1]
      for (let step = 1; step <= 5; step++) {
        const reach = 0.03 * step * step
        const [x, y, z] = along(point, normal, reach)
        closed += weight * Math.max(reach - distance(x, y, z), 0) * (0.9 / reach)
        weight *= 0.6
      }
      return clamp(1 - closed * 0.42)
    },
  }
}

/** Several shapes as one. */
export function group(...shapes: Shape[]): Shape {
  return {
    intersect(origin, direction) {
      let nearest: Hit | undefined
      for (const shape of shapes) {
        const hit = shape.intersect(origin, direction)
        if (hit && (!nearest || hit.distance < nearest.distance)) nearest = hit
      }
      return nearest
    },
    isBlocked: (origin, direction) => shapes.some((shape) => shape.isBlocked(origin, direction)),
    visibility: (origin, direction, size) =>
      shapes.reduce((seen, shape) => (seen > 0 ? seen * shape.visibility(origin, direction, size) : 0), 1),
    openness: (point, normal) => shapes.reduce((open, shape) => open * shape.openness(point, normal), 1),
  }
}

/** Bends a ray into or out of glass; undefined where all of it is reflected. */
export function refract(direction: Vector, normal: Vector, ratio: number): Vector | undefined {
  const cosine = -dot(direction, normal)
  const k = 1 - ratio * ratio * (1 - cosine * cosine)
  if (k < 0) return undefined
  return normalise(
    add(
      [direction[0] * ratio, direction[1] * ratio, direction[2] * ratio],
      [
        normal[0] * (ratio * cosine - Math.sqrt(k)),
        normal[1] * (ratio * cosine - Math.sqrt(k)),
        normal[2] * (ratio * cosine - Math.sqrt(k)),
      ],
    ),
  )
}
