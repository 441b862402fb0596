/**
 * Writes `backdrop.onnx`: `node --import tsx training/backdrop.ts`
 *
 * A matte from the statistics of the picture's border, with nothing learned. In order:
 * 1. fit a backdrop, quadratic in x and y, to the border on a coarse grid, robustly, so that a subject that
 *    leaves the picture does not bend it (iteratively reweighted least squares, Geman-McClure weights, annealed);
 *    what the fit leaves over is spread by normalised convolution (Knutsson and Westin 1993);
 * 2. measure how far every cell is from that backdrop in units of the backdrop's own noise, forgiving smooth
 *    changes of brightness, cast shadows above all;
 * 3. flood from the border through what looks like backdrop (greyscale reconstruction, Vincent 1993), so that
 *    backdrop color inside the subject stays in, and fit again to all that was reached; twice;
 * 4. flood once more, coarse to fine, and also from openings where the backdrop shows through exactly;
 * 5. drop specks, and give edges the softness they have in the picture: alpha = distance from the backdrop over
 *    the distance of the subject nearby, as in I = alpha F + (1 - alpha) B.
 */
import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { createGraph, type Value } from './graph.ts'

/** Pixels; the statistics are taken on a grid `cell` times coarser. */
export const size = 384
const cell = 4
const grid = size / cell
/** Cells that count as border, from each side. */
const rim = 3

export function backdropModel(): Uint8Array {
  const graph = createGraph(
    'backdrop',
    'Subject on a plain or graded backdrop, by the statistics of its border. MIT.',
  )
  const { op, constant, integers } = graph
  const number = (value: Value | number) => (typeof value === 'number' ? constant(value) : value)
  const binary = (type: string) => (a: Value | number, b: Value | number) => op(type, [number(a), number(b)])
  const [add, sub, mul, div] = [binary('Add'), binary('Sub'), binary('Mul'), binary('Div')]
  const [max, min, matmul] = [binary('Max'), binary('Min'), binary('MatMul')]
  const square = (a: Value) => mul(a, a)
  const sqrt = (a: Value) => op('Sqrt', [a])
  const clip = (a: Value) => min(max(a, 0), 1)
  const reshape = (a: Value, shape: number[]) => op('Reshape', [a, integers(shape)])
  const transpose = (a: Value, perm: number[]) => op('Transpose', [a], { perm })
  const concat = (parts: Value[], axis: number) => op('Concat', parts, { axis })
  const slice = (a: Value, axis: number, from: number, to: number) =>
    op('Slice', [a, integers([from]), integers([to]), integers([axis])])
  const sum = (a: Value, axes: number[]) => op('ReduceSum', [a, integers(axes)], { keepdims: 1 })
  const pool =
    (type: string) =>
    (a: Value, height: number, width = height, stride = 1) => {
      const pads = stride === 1 ? [height >> 1, width >> 1, height >> 1, width >> 1] : [0, 0, 0, 0]
      return op(type, [a], { kernel_shape: [height, width], strides: [stride, stride], pads })
    }
  const [meanPool, dilate] = [pool('AveragePool'), pool('MaxPool')]
  const erode = (a: Value, height: number, width = height, stride = 1) =>
    op('Neg', [dilate(op('Neg', [a]), height, width, stride)])
  const blur = (a: Value, width: number) => meanPool(meanPool(a, width, 1), 1, width)
  const enlarge = (a: Value, factor: number) =>
    op('Resize', [a, '', constant([1, 1, factor, factor])], { mode: 'linear' })
  const repeat = (a: Value, factor: number) =>
    op('Resize', [a, '', constant([1, 1, factor, factor])], {
      mode: 'nearest',
      coordinate_transformation_mode: 'asymmetric',
      nearest_mode: 'floor',
    })
  /** 0 below `from`, 1 above `to`, smooth between. */
  const step = (a: Value, from: Value | number, to: Value | number) => {
    const t = clip(div(sub(a, from), sub(number(to), from)))
    return mul(square(t), sub(3, mul(t, 2)))
  }

  const image = graph.input('image', [1, 3, size, size])
  // Lightness and two opponent colors of gamma-encoded sRGB, which is roughly even to the eye.
  const opponents = constant([0.299, 0.587, 0.114, 0.6, -0.6, 0, 0.35, 0.35, -0.7], [3, 3, 1, 1])
  const color = op('Conv', [image, opponents])
  const cells = meanPool(color, cell, cell, cell)
  // On a flat backdrop rounding makes it negative, and its root would be no number.
  const cellVariance = max(sum(sub(meanPool(square(color), cell, cell, cell), square(cells)), [1]), 0)

  const centres = Array.from({ length: grid }, (_, i) => (2 * i + 1) / grid - 1)
  const zeros = new Array(grid).fill(0)
  const x = add(constant(centres, [1, 1, 1, grid]), constant(zeros, [1, 1, grid, 1]))
  const y = add(constant(centres, [1, 1, grid, 1]), constant(zeros, [1, 1, 1, grid]))
  const fromCentre = max(op('Abs', [x]), op('Abs', [y]))
  /** 1 on the outermost cells. */
  const frame = (width: number) =>
    step(fromCentre, 1 - (2 * width + 0.5) / grid, 1 - (2 * width - 0.5) / grid)

  // The fit. Terms are shifted by their mean on the border, which keeps the normal equations well conditioned.
  const terms = reshape(
    concat([add(mul(x, 0), 1), x, y, sub(square(x), 2 / 3), mul(x, y), sub(square(y), 2 / 3)], 1),
    [6, grid * grid],
  )
  const observed = reshape(cells, [3, grid * grid])
  const identity = Array.from({ length: 36 }, (_, i) => (i % 7 === 0 ? 1 : 0))
  const eye = constant(identity, [6, 6])
  /** Newton-Schulz: for A positive definite, X <- X (2I - AX) from X = I / trace(A). */
  const inverse = (a: Value) => {
    let result = div(eye, sum(mul(a, eye), [0, 1]))
    for (let i = 0; i < 14; i++) result = matmul(result, sub(mul(eye, 2), matmul(a, result)))
    return result
  }
  const fit = (prior: Value, rounds: readonly { scale: number; stiffness: number }[]) => {
    const row = reshape(prior, [1, grid * grid])
    const total = sum(row, [0, 1])
    let weights = row
    let coefficients = constant(0)
    for (const { scale, stiffness } of rounds) {
      const weighted = div(mul(terms, weights), total)
      const ridge = [1e-6, stiffness / 10, stiffness / 10, stiffness, stiffness, stiffness]
      const normal = add(
        matmul(weighted, transpose(terms, [1, 0])),
        constant(
          identity.map((one, i) => one * ridge[i % 6]!),
          [6, 6],
        ),
      )
      const right = matmul(weighted, transpose(observed, [1, 0]))
      coefficients = transpose(matmul(inverse(normal), right), [1, 0])
      const error = sum(square(sub(observed, matmul(coefficients, terms))), [0])
      weights = mul(row, square(div(scale ** 2, add(error, scale ** 2))))
    }
    return {
      fitted: reshape(matmul(coefficients, terms), [1, 3, grid, grid]),
      trust: reshape(weights, [1, 1, grid, grid]),
    }
  }

  /** Cells known to be backdrop in, a backdrop for every cell out. */
  const estimate = (prior: Value, rounds: Parameters<typeof fit>[1]) => {
    const { fitted, trust } = fit(prior, rounds)
    const left = mul(sub(cells, fitted), trust)
    let [numerator, denominator] = [mul(left, 0), add(mul(trust, 0), 0.01)]
    for (const [reach, share] of [
      [0.08, 1],
      [0.25, 0.1],
      [0.75, 0.02],
    ] as const) {
      const width = 2 * Math.round((reach * grid) / 2) + 1
      numerator = add(numerator, mul(blur(left, width), share))
      denominator = add(denominator, mul(blur(trust, width), share))
    }
    const map = add(fitted, div(numerator, denominator))
    const overTrust = (of: Value) => div(sum(mul(of, trust), [2, 3]), add(sum(trust, [2, 3]), 1e-3))
    return {
      map,
      pixelNoise: sqrt(overTrust(cellVariance)),
      misfit: sqrt(overTrust(sum(square(sub(cells, map)), [1]))),
    }
  }

  // A shadow's rim is many pixels wide; a subject's is two or three, so that a small window holds most of it.
  const soft = meanPool(color, 3)
  const edges = sum(sub(dilate(soft, 3), erode(soft, 3)), [1])

  /**
   * How far every pixel is from a backdrop, 0..1 and more, and whether the flood may pass there. Where nothing has
   * an edge, a change of brightness alone is forgiven, most of it towards the dark: that is how a shadow falls.
   */
  const compare = (estimated: ReturnType<typeof estimate>) => {
    const { pixelNoise, misfit } = estimated
    const backdrop = enlarge(estimated.map, cell)
    const strength = add(sum(square(backdrop), [1]), 1e-3)
    const smoothness = sub(1, step(edges, add(0.03, mul(pixelNoise, 1.5)), add(0.055, mul(pixelNoise, 3))))
    const distance = (of: Value) => {
      const difference = sub(of, backdrop)
      const along = div(sum(mul(difference, backdrop), [1]), strength)
      const hue = sqrt(sum(square(sub(difference, mul(along, backdrop))), [1]))
      const darker = sub(op('Neg', [along]), mul(smoothness, 0.35))
      const brighter = sub(along, mul(smoothness, 0.12))
      const light = mul(square(max(max(darker, brighter), 0)), strength)
      return sqrt(add(square(max(sub(hue, mul(smoothness, 0.02)), 0)), light))
    }
    const noise = mul(add(pixelNoise, misfit), 0.5)
    const open = sub(1, step(distance(soft), add(0.012, mul(noise, 2)), add(0.035, mul(noise, 4))))
    const openHalf = meanPool(open, 2, 2, 2)
    return { distance, open, openHalf, openCells: erode(openHalf, 2, 2, 2) }
  }
  const flood = (from: Value, through: Value, steps: number) => {
    let reached = min(from, through)
    for (let i = 0; i < steps; i++) reached = min(dilate(reached, 3), through)
    return reached
  }

  // Wide and stiff at first, so that what most of the border agrees on wins.
  const annealed = [
    { scale: 0.5, stiffness: 0.3 },
    { scale: 0.3, stiffness: 0.1 },
    { scale: 0.2, stiffness: 0.03 },
    { scale: 0.12, stiffness: 0.01 },
    { scale: 0.08, stiffness: 0.003 },
    { scale: 0.06, stiffness: 0.001 },
    { scale: 0.05, stiffness: 0.001 },
  ]
  let behind = estimate(frame(rim), annealed)
  for (let again = 0; again < 2; again++) {
    const reached = flood(frame(1), compare(behind).openCells, grid)
    behind = estimate(max(erode(reached, 3), mul(frame(rim), 0.02)), annealed.slice(-2))
  }

  // The floods.
  const { distance, open, openHalf, openCells } = compare(behind)
  // White that is clipped looks the same on the subject and behind it: nothing is told from it.
  const unclipped = sub(1, step(slice(behind.map, 1, 0, 1), 0.97, 0.985))
  const cellNoise = add(mul(behind.pixelNoise, 1 / cell), behind.misfit)
  const cellDistance = sqrt(sum(square(sub(cells, behind.map)), [1]))
  const same = sub(1, step(cellDistance, add(0.004, cellNoise), add(0.008, mul(cellNoise, 2))))
  const openings = dilate(erode(mul(same, unclipped), 5), 5)
  const reachedCells = flood(max(frame(1), openings), openCells, grid)
  const reachedHalf = flood(repeat(reachedCells, 2), openHalf, 10)
  const reached = flood(repeat(reachedHalf, 2), open, 6)
  const found = sub(1, reached)

  // Specks and edges.
  const foundCells = meanPool(found, cell, cell, cell)
  const solid = step(meanPool(foundCells, 3), 0.25, 0.4)
  const kept = enlarge(dilate(flood(solid, dilate(found, cell, cell, cell), grid / 2), 3), cell)
  const subject = mul(found, kept)
  const core = step(erode(subject, 7), 0.5, 0.9)
  const exact = max(sub(distance(color), mul(behind.pixelNoise, 1.5)), 0)
  const reach = 13
  const typical = div(blur(mul(core, exact), reach), add(blur(core, reach), 1e-4))
  const ratio = clip(div(exact, add(mul(typical, 0.9), 0.01)))
  const alpha = max(core, min(ratio, dilate(step(subject, 0.3, 0.7), 3)))
  graph.output('alpha', alpha, [1, 1, size, size])
  return graph.toBytes()
}

const file = fileURLToPath(new URL('../src/model/builtin/backdrop.onnx', import.meta.url))
if (process.argv[1] === fileURLToPath(import.meta.url)) await writeFile(file, backdropModel())
