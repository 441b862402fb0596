import { mix } from './vector.ts'

/** A seeded generator of numbers from 0 to 1 (mulberry32): the same seed gives the same picture everywhere. */
export function randomNumbers(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

function lattice(x: number, y: number, z: number): number {
  let h = Math.imul(x, 374761393) ^ Math.imul(y, 668265263) ^ Math.imul(z, 2147483647 ^ 0x5bd1e995)
  h = Math.imul(h ^ (h >>> 13), 1274126177)
  return ((h ^ (h >>> 16)) >>> 0) / 4294967296
}

/** Value noise from 0 to 1, features about one unit wide. */
export function noise(x: number, y: number, z: number): number {
  const [i, j, k] = [Math.floor(x), Math.floor(y), Math.floor(z)]
  const [a, b, c] = [x - i, y - j, z - k]
  const u = a * a * (3 - 2 * a)
  const v = b * b * (3 - 2 * b)
  const w = c * c * (3 - 2 * c)
  const edge = (dj: number, dk: number) =>
    mix(lattice(i, j + dj, k + dk), lattice(i + 1, j + dj, k + dk), u)
  return mix(mix(edge(0, 0), edge(1, 0), v), mix(edge(0, 1), edge(1, 1), v), w)
}

/** Noise with finer and fainter noise on top, from 0 to 1. */
export function fractalNoise(x: number, y: number, z: number, octaves: number): number {
  let [sum, weight, total, frequency] = [0, 1, 0, 1]
  for (let octave = 0; octave < octaves; octave++) {
    sum += weight * noise(x * frequency + octave * 17.3, y * frequency, z * frequency)
    total += weight
    weight *= 0.5
    frequency *= 2.03
  }
  return sum / total
}

/** The distance to the nearest of points scattered one per unit cell (Worley 1996), about 0 to 1. */
export function cellNoise(x: number, y: number, z: number): number {
  const [i, j, k] = [Math.floor(x), Math.floor(y), Math.floor(z)]
  let nearest = 9
  for (let a = i - 1; a <= i + 1; a++) {
    for (let b = j - 1; b <= j + 1; b++) {
      for (let c = k - 1; c <= k + 1; c++) {
        const dx = a + lattice(a, b, c) - x
        const dy = b + lattice(b + 71, c, a) - y
        const dz = c + lattice(c, a + 37, b) - z
        nearest = Math.min(nearest, dx * dx + dy * dy + dz * dz)
      }
    }
  }
  return Math.sqrt(nearest)
}
