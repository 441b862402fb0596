/**
 * Signed distance fields: how far a point is from a surface, negative inside.
 * Formulas after Inigo Quilez, "Distance functions", https://iquilezles.org/articles/distfunctions/
 */
import { clamp, mix } from './vector.ts'

/** Scalars instead of vectors: this runs a hundred million times. */
export type Distance = (x: number, y: number, z: number) => number

const { abs, hypot, max, min, sqrt } = Math

export const sphere = (x: number, y: number, z: number, radius: number): number =>
  sqrt(x * x + y * y + z * z) - radius

/** Exact only on the surface, good enough near it. */
export function ellipsoid(x: number, y: number, z: number, a: number, b: number, c: number): number {
  const k0 = sqrt((x / a) ** 2 + (y / b) ** 2 + (z / c) ** 2)
  const k1 = sqrt((x / (a * a)) ** 2 + (y / (b * b)) ** 2 + (z / (c * c)) ** 2)
  return k1 === 0 ? -min(a, b, c) : (k0 * (k0 - 1)) / k1
}

/** A box with half sizes a, b, c, its edges rounded within them. */
export function roundBox(
  x: number,
  y: number,
  z: number,
  a: number,
  b: number,
  c: number,
  round: number,
): number {
  const [qx, qy, qz] = [abs(x) - a + round, abs(y) - b + round, abs(z) - c + round]
  const outside = sqrt(max(qx, 0) ** 2 + max(qy, 0) ** 2 + max(qz, 0) ** 2)
  return outside + min(max(qx, qy, qz), 0) - round
}

/** A rounded rectangle around the origin: half sizes a and b. */
export function roundRectangle(x: number, y: number, a: number, b: number, round: number): number {
  const [qx, qy] = [abs(x) - a + round, abs(y) - b + round]
  return sqrt(max(qx, 0) ** 2 + max(qy, 0) ** 2) + min(max(qx, qy), 0) - round
}

/** An upright cylinder around the origin, its edges rounded within `radius` and `halfHeight`. */
export const cylinder = (
  x: number,
  y: number,
  z: number,
  radius: number,
  halfHeight: number,
  round: number,
): number => roundRectangle(sqrt(x * x + z * z), y, radius, halfHeight, round)

/** A ring in the xy plane. */
export const torus = (x: number, y: number, z: number, radius: number, tube: number): number =>
  hypot(sqrt(x * x + y * y) - radius, z) - tube

/** A rod with round ends whose radius goes from `ra` at a to `rb` at b. */
export function rod(
  x: number,
  y: number,
  z: number,
  [ax, ay, az]: readonly [number, number, number],
  [bx, by, bz]: readonly [number, number, number],
  ra: number,
  rb: number,
): number {
  const [px, py, pz, dx, dy, dz] = [x - ax, y - ay, z - az, bx - ax, by - ay, bz - az]
  const t = clamp((px * dx + py * dy + pz * dz) / (dx * dx + dy * dy + dz * dz))
  return sqrt((px - dx * t) ** 2 + (py - dy * t) ** 2 + (pz - dz * t) ** 2) - mix(ra, rb, t)
}

/** Union with a fillet about `k` wide. */
export function smoothUnion(a: number, b: number, k: number): number {
  const h = max(k - abs(a - b), 0) / k
  return min(a, b) - h * h * k * 0.25
}
/** `a` without `b`, with a fillet about `k` wide. */
export const smoothCut = (a: number, b: number, k: number): number => -smoothUnion(-a, b, k)

/**
 * A body of revolution around y from its outline.
 *
 * @param outline radius and height, bottom to top, evenly smoothed between (Catmull-Rom)
 * @returns an estimate that never oversteps where the outline's slope stays below about 3
 */
export function revolve(outline: readonly (readonly [radius: number, height: number])[]): Distance {
  const points: [number, number][] = []
  for (let index = 0; index < outline.length - 1; index++) {
    const at = (i: number) => outline[clamp(i, 0, outline.length - 1)]!
    const [p0, p1, p2, p3] = [at(index - 1), at(index), at(index + 1), at(index + 2)]
    for (let step = 0; step < 10; step++) {
      const t = step / 10
      const spline = (a: number, b: number, c: number, d: number) =>
        0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t * t + (3 * b - a - 3 * c + d) * t ** 3)
      points.push([
        max(spline(p0[0], p1[0], p2[0], p3[0]), 0),
        spline(p0[1], p1[1], p2[1], p3[1]),
      ])
    }
  }
  points.push([...outline.at(-1)!])
  // The exact distance to that polygon, sampled once into a table.
  const maxRadius = max(...points.map(([radius]) => radius)) + 0.4
  const [low, high] = [min(...points.map((p) => p[1])) - 0.4, max(...points.map((p) => p[1])) + 0.4]
  const cell = max(maxRadius, high - low) / 360
  const columns = Math.ceil(maxRadius / cell) + 2
  const rows = Math.ceil((high - low) / cell) + 2
  const closed: [number, number][] = [[0, points[0]![1]], ...points, [0, points.at(-1)![1]]]
  const table = new Float32Array(columns * rows)
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      table[row * columns + column] = polygonDistance(closed, column * cell, low + row * cell)
    }
  }
  return (x, y, z) => {
    const radius = sqrt(x * x + z * z)
    const u = clamp(radius / cell, 0, columns - 1.001)
    const v = clamp((y - low) / cell, 0, rows - 1.001)
    const at = (v | 0) * columns + (u | 0)
    const [fu, fv] = [u - (u | 0), v - (v | 0)]
    const inside = mix(
      mix(table[at]!, table[at + 1]!, fu),
      mix(table[at + columns]!, table[at + columns + 1]!, fu),
      fv,
    )
    return inside + hypot(radius - u * cell, y - low - v * cell) * 0.9
  }
}

/** Signed distance in the half plane r >= 0; the side on the axis is no border. */
function polygonDistance(polygon: [number, number][], r: number, y: number): number {
  let [nearest, isInside] = [Number.POSITIVE_INFINITY, false]
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
    const [ax, ay] = polygon[j]!
    const [bx, by] = polygon[i]!
    const [dx, dy] = [bx - ax, by - ay]
    const t = clamp(((r - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy || 1))
    if (max(ax, bx) > 0) nearest = min(nearest, hypot(r - ax - dx * t, y - ay - dy * t))
    if (ay > y !== by > y && r < ((bx - ax) * (y - ay)) / (by - ay) + ax) isInside = !isInside
  }
  return isInside ? -nearest : nearest
}
