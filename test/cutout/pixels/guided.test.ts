import { describe, expect, it } from 'vitest'
import { type GuidedTask, guidedUpsample } from './reference/guided.ts'
import { type Scene, scene } from './scenes.ts'

/** The scene's alpha as a model of `size` by `size` pixels gives it: averaged over areas, and soft. */
function modelMatte({ alpha, width, height }: Scene, size: number, soft: boolean): Float32Array {
  const matte = new Float32Array(size * size)
  for (let j = 0; j < size; j++) {
    for (let i = 0; i < size; i++) {
      let [sum, count] = [0, 0]
      for (let y = Math.floor((j * height) / size); y < ((j + 1) * height) / size; y++) {
        for (let x = Math.floor((i * width) / size); x < ((i + 1) * width) / size; x++) {
          sum += alpha[y * width + x]! / 255
          count++
        }
      }
      matte[j * size + i] = sum / count
    }
  }
  return soft ? matte.map((_, at) => mean(matte, size, size, at % size, Math.floor(at / size), 1)) : matte
}

const clamped = (value: number, limit: number) => Math.min(Math.max(value, 0), limit - 1)

/** Mean of a window; beyond the border the nearest pixel is repeated. */
function mean(values: ArrayLike<number>, width: number, height: number, x: number, y: number, reach: number) {
  let sum = 0
  for (let j = y - reach; j <= y + reach; j++) {
    for (let i = x - reach; i <= x + reach; i++)
      sum += values[clamped(j, height) * width + clamped(i, width)]!
  }
  return sum / (2 * reach + 1) ** 2
}

/** The value at a pixel of the full picture, bilinearly. */
function bilinear(at: (x: number, y: number) => number, task: GuidedTask, x: number, y: number): number {
  const { width, height, matteWidth, matteHeight } = task
  const u = Math.min(Math.max(((x + 0.5) * matteWidth) / width - 0.5, 0), matteWidth - 1)
  const v = Math.min(Math.max(((y + 0.5) * matteHeight) / height - 0.5, 0), matteHeight - 1)
  const [i, j] = [Math.floor(u), Math.floor(v)]
  const [i2, j2] = [Math.min(i + 1, matteWidth - 1), Math.min(j + 1, matteHeight - 1)]
  const top = at(i, j) * (1 - u + i) + at(i2, j) * (u - i)
  const bottom = at(i, j2) * (1 - u + i) + at(i2, j2) * (u - i)
  return top * (1 - v + j) + bottom * (v - j)
}

function stretched(task: GuidedTask): Float32Array {
  const { matte, matteWidth, width, height } = task
  const result = new Float32Array(width * height)
  const at = (i: number, j: number) => matte[j * matteWidth + i]!
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) result[y * width + x] = 255 * bilinear(at, task, x, y)
  }
  return result
}

function taskOf(made: Scene, size: number, soft: boolean): GuidedTask {
  const { observed: pixels, width, height } = made
  const matte = modelMatte(made, size, soft)
  return { pixels, channels: 3, width, height, matte, matteWidth: size, matteHeight: size }
}

function meanDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += Math.abs(a[i]! - b[i]!)
  return sum / a.length
}

/** The same from its definition: every window summed on its own, elimination instead of cofactors. */
function reference(task: GuidedTask): Float64Array {
  const { pixels, width, matteWidth: w, matteHeight: h, matte } = task
  const cell = task.width / w
  const raw = [0, 1, 2].map((channel) =>
    Array.from({ length: w * h }, (_, at) => {
      let sum = 0
      for (let y = Math.floor(at / w) * cell; y < (Math.floor(at / w) + 1) * cell; y++) {
        for (let x = (at % w) * cell; x < ((at % w) + 1) * cell; x++)
          sum += pixels[(y * width + x) * 3 + channel]!
      }
      return sum / cell ** 2 / 255
    }),
  )
  const guide = raw.map((plane) => plane.map((_, at) => mean(plane, w, h, at % w, Math.floor(at / w), 1)))
  const around = (at: number) => {
    const cells: number[] = []
    for (let j = Math.floor(at / w) - 2; j <= Math.floor(at / w) + 2; j++) {
      for (let i = (at % w) - 2; i <= (at % w) + 2; i++)
        if (i >= 0 && j >= 0 && i < w && j < h) cells.push(j * w + i)
    }
    return cells
  }
  const average = (cells: number[], value: (cell: number) => number) =>
    cells.reduce((sum, one) => sum + value(one), 0) / cells.length
  const windows = Array.from({ length: w * h }, (_, at) => {
    const cells = around(at)
    const p = average(cells, (one) => matte[one]!)
    const m = guide.map((plane) => average(cells, (one) => plane[one]!))
    const rows = guide.map((plane, row) => [
      ...guide.map(
        (other, column) =>
          average(cells, (one) => (plane[one]! - m[row]!) * (other[one]! - m[column]!)) +
          (row === column ? 1e-4 : 0),
      ),
      average(cells, (one) => (plane[one]! - m[row]!) * (matte[one]! - p)),
    ])
    const covariance = rows.map((row) => row[3]!)
    for (let pivot = 0; pivot < 3; pivot++) {
      for (let row = 0; row < 3; row++) {
        if (row === pivot) continue
        const factor = rows[row]![pivot]! / rows[pivot]![pivot]!
        rows[row] = rows[row]!.map((value, i) => value - factor * rows[pivot]![i]!)
      }
    }
    const a = rows.map((row, i) => row[3]! / row[i]!)
    const variance = average(cells, (one) => (matte[one]! - p) ** 2)
    const explained = a.reduce((sum, value, i) => sum + value * covariance[i]!, 0) / Math.max(variance, 1e-9)
    const trust = variance === 0 ? 1 : explained ** 2
    const b = p - a.reduce((sum, value, i) => sum + value * m[i]!, 0)
    return [...a.map((value) => value * trust), b * trust, trust]
  })
  const means = windows.map((_, at) => {
    const cells = around(at)
    const [r, g, b, base, trust] = [0, 1, 2, 3, 4].map((i) => average(cells, (one) => windows[one]![i]!)) as [
      number,
      number,
      number,
      number,
      number,
    ]
    return [r, g, b, base + (1 - trust) * matte[at]!]
  })
  return Float64Array.from({ length: width * task.height }, (_, at) => {
    const [x, y] = [at % width, Math.floor(at / width)]
    const [r, g, b, base] = [0, 1, 2, 3].map((k) =>
      bilinear((i, j) => means[j * w + i]![k]!, task, x, y),
    ) as [number, number, number, number]
    const alpha = r * pixels[at * 3]! + g * pixels[at * 3 + 1]! + b * pixels[at * 3 + 2]! + base * 255
    return Math.min(255, Math.max(0, alpha))
  })
}

describe('a matte brought to full size along the edges', () => {
  it.each([
    ['narrow edge, textured, on white', 3],
    ['narrow edge, textured, on checks', 1.5],
    ['hair, brown, on green', 4],
    ['hair, brown, on white', 6],
    ['hair, fair, on blue', 5],
    ['hair, textured, on a busy backdrop', 1.4],
  ] as const)('is nearer to the truth than a stretched one: %s, %f times', (name, times) => {
    const made = scene(name, 1200, 900)
    const task = taskOf(made, 320, true)
    const plain = meanDifference(stretched(task), made.alpha)
    expect(plain / meanDifference(guidedUpsample(task), made.alpha)).toBeGreaterThan(times)
  })

  it('is nearer to the truth also when the small matte is not soft but blocky', () => {
    for (const name of ['narrow edge, textured, on white', 'hair, brown, on green']) {
      const made = scene(name, 1200, 900)
      const task = taskOf(made, 320, false)
      const plain = meanDifference(stretched(task), made.alpha)
      expect(plain / meanDifference(guidedUpsample(task), made.alpha)).toBeGreaterThan(1.5)
    }
  })

  it('stays within a third of a level of the stretched one, on average, where the edge itself is wide', () => {
    for (const name of ['soft disc, textured, on green', 'glass, textured, on a busy backdrop']) {
      const task = taskOf(scene(name, 1200, 900), 320, true)
      expect(meanDifference(stretched(task), guidedUpsample(task))).toBeLessThan(0.33)
    }
  })

  it('is what the definition gives', () => {
    for (const name of [
      'narrow edge, textured, on checks',
      'hair, fair, on blue',
      'glass, smooth, on green',
    ]) {
      const task = taskOf(scene(name, 192, 192), 32, true)
      const expected = reference(task)
      const result = guidedUpsample(task)
      // Half a level of rounding, and the ends of the matte set to 0 and 1.
      const worst = result.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0)
      expect(worst).toBeLessThan(1.2)
      expect(meanDifference(result, expected)).toBeLessThan(0.3)
    }
  })

  it('is exactly 0 and 255 where nothing else is near, whatever is in the picture', () => {
    const made = scene('narrow edge, textured, on checks', 600, 450)
    const result = guidedUpsample(taskOf(made, 96, true))
    for (const [value, from, to] of [
      [255, 0, 0.13],
      [0, 0.31, 1],
    ] as const) {
      const there = result.filter((_, at) => {
        const away = Math.hypot((at % 600) + 0.5 - 300, Math.floor(at / 600) + 0.5 - 225) / 600
        return away >= from && away < to
      })
      expect(new Set(there)).toEqual(new Set([value]))
    }
  })

  it('takes 8-bit mattes, RGBA and grey', () => {
    const made = scene('narrow edge, textured, on white', 300, 200)
    const task = taskOf(made, 64, true)
    const matte = Uint8Array.from(task.matte, (value) => Math.round(value * 255))
    const exact = { ...task, matte: Float32Array.from(matte, (value) => value / 255) }
    const expected = guidedUpsample(exact)
    expect(meanDifference(guidedUpsample({ ...task, matte }), expected)).toBeLessThan(0.01)

    const rgba = new Uint8Array(300 * 200 * 4).fill(255)
    for (let at = 0; at < 300 * 200; at++) rgba.set(made.observed.subarray(at * 3, at * 3 + 3), at * 4)
    expect(Buffer.compare(guidedUpsample({ ...exact, pixels: rgba, channels: 4 }), expected)).toBe(0)

    const grey = made.observed.filter((_, i) => i % 3 === 1)
    const threefold = Uint8Array.from(made.observed, (_, i) => grey[Math.floor(i / 3)]!)
    expect(
      Buffer.compare(
        guidedUpsample({ ...exact, pixels: grey, channels: 1 }),
        guidedUpsample({ ...exact, pixels: threefold }),
      ),
    ).toBe(0)
  })

  it('sees white where the picture is transparent, whatever color is stored there', () => {
    const { observed, ...made } = scene('narrow edge, textured, on white', 200, 150)
    const task = taskOf({ observed, ...made }, 64, true)
    const withHidden = (color: number[]) => {
      const rgba = new Uint8Array(200 * 150 * 4).fill(255)
      for (const [at, value] of made.alpha.entries()) {
        rgba.set(value === 0 ? [...color, 0] : [...observed.subarray(at * 3, at * 3 + 3), 255], at * 4)
      }
      return guidedUpsample({ ...task, pixels: rgba, channels: 4 })
    }
    expect(Buffer.compare(withHidden([255, 0, 255]), withHidden([255, 255, 255]))).toBe(0)
  })
})

describe('an even matte', () => {
  it.each([
    [1, 1],
    [1, 5000],
    [5000, 1],
    [7, 400],
    [33, 32],
    [320, 240],
  ])('stays even: %ix%i', (width, height) => {
    const pixels = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 7919) % 256)
    for (const value of [0, 0.001, 0.1, 0.5, 0.999, 1]) {
      const matte = new Float32Array(32 * 48).fill(value)
      const result = guidedUpsample({
        pixels,
        channels: 3,
        width,
        height,
        matte,
        matteWidth: 32,
        matteHeight: 48,
      })
      expect(new Set(result)).toEqual(new Set([Math.round(value * 255)]))
    }
  })
})
