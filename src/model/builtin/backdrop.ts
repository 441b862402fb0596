/**
 * Writes `backdrop.onnx`: `node --import tsx src/model/builtin/backdrop.ts`
 *
 * A matte from the statistics of the picture's border, with nothing learned. In order:
 * 1. fit a backdrop, quadratic in x and y, to the border, robustly, so that a subject that leaves the picture
 *    does not bend it (iteratively reweighted least squares, Geman-McClure weights, annealed);
 * 2. add what the fit leaves over along the border, interpolated inwards (a Coons patch);
 * 3. measure how far every pixel is from that backdrop in units of the backdrop's own noise, forgiving a smooth
 *    darkening of the same hue: a cast shadow;
 * 4. flood from the border through what looks like backdrop, coarse to fine (greyscale reconstruction by
 *    dilation, Vincent 1993), so that backdrop colour inside the subject stays in;
 * 5. drop specks, and give edges the softness they have in the picture: alpha = distance from the backdrop over
 *    the distance of the subject nearby, as in I = alpha F + (1 - alpha) B.
 */
import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { createGraph, type Value } from './graph.ts'

/** Pixels; the statistics are taken on a grid `cell` times coarser. */
export const size = 320
const cell = 4
const grid = size / cell
/** Cells that count as border, from each side. */
const rim = 3

export function backdropModel(): Uint8Array {
  const graph = createGraph('backdrop', 'Subject on a plain or graded backdrop, by the statistics of its border. MIT.')
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
  const pool = (type: string) => (a: Value, height: number, width = height, stride = 1) => {
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
  // Lightness and two opponent colours of gamma-encoded sRGB, which is roughly even to the eye.
  const opponents = constant([0.299, 0.587, 0.114, 0.6, -0.6, 0, 0.35, 0.35, -0.7], [3, 3, 1, 1])
  const colour = op('Conv', [image, opponents])
  const cells = meanPool(colour, cell, cell, cell)
  const cellVariance = sum(sub(meanPool(square(colour), cell, cell, cell), square(cells)), [1])

  /** From a map over the grid to the columns of a matrix: [1, c, grid, grid] -> [c, border cells]. */
  const border = (map: Value, channels: number) => {
    const rows = [slice(map, 2, 0, rim), slice(map, 2, grid - rim, grid)]
    const middle = slice(map, 2, rim, grid - rim)
    const columns = [slice(middle, 3, 0, rim), slice(middle, 3, grid - rim, grid)]
    return concat(
      [...rows, ...columns].map((strip) => reshape(strip, [channels, -1])),
      1,
    )
  }

  // 1. The fit.
  const centres = Array.from({ length: grid }, (_, i) => (2 * i + 1) / grid - 1)
  const x = add(constant(centres, [1, 1, 1, grid]), constant(new Array(grid).fill(0), [1, 1, grid, 1]))
  const y = add(constant(centres, [1, 1, grid, 1]), constant(new Array(grid).fill(0), [1, 1, 1, grid]))
  const basis = concat(
    // Shifted by their mean on the border, which keeps the normal equations well conditioned.
    [add(mul(x, 0), 1), x, y, sub(square(x), 2 / 3), mul(x, y), sub(square(y), 2 / 3)],
    1,
  )
  const terms = border(basis, 6)
  const observed = border(cells, 3)
  const count = grid * rim * 4 - rim * rim * 4
  const identity = Array.from({ length: 36 }, (_, i) => (i % 7 === 0 ? 1 : 0))
  /** Newton-Schulz: for A positive definite, X <- X (2I - AX) from X = I / trace(A). */
  const inverse = (a: Value) => {
    const eye = constant(identity, [6, 6])
    const trace = sum(mul(a, eye), [0, 1])
    let result = div(eye, trace)
    for (let i = 0; i < 14; i++) result = matmul(result, sub(mul(eye, 2), matmul(a, result)))
    return result
  }
  let weights = add(mul(slice(terms, 0, 0, 1), 0), 1)
  let coefficients = constant(0)
  // Wide and stiff at first, so that what most of the border agrees on wins.
  const rounds = [
    { scale: 0.5, stiffness: 0.3 },
    { scale: 0.3, stiffness: 0.1 },
    { scale: 0.2, stiffness: 0.03 },
    { scale: 0.12, stiffness: 0.01 },
    { scale: 0.08, stiffness: 0.003 },
    { scale: 0.06, stiffness: 0.001 },
    { scale: 0.05, stiffness: 0.001 },
  ]
  for (const { scale, stiffness } of rounds) {
    const weighted = mul(terms, weights)
    const ridge = [1e-6, stiffness / 10, stiffness / 10, stiffness, stiffness, stiffness]
    const normal = add(
      div(matmul(weighted, transpose(terms, [1, 0])), count),
      constant(
        identity.map((one, i) => one * ridge[i % 6]!),
        [6, 6],
      ),
    )
    const right = div(matmul(weighted, transpose(observed, [1, 0])), count)
    coefficients = transpose(matmul(inverse(normal), right), [1, 0])
    const error = sum(square(sub(observed, matmul(coefficients, terms))), [0])
    weights = square(div(scale ** 2, add(error, scale ** 2)))
  }
  const fitted = reshape(matmul(coefficients, reshape(basis, [6, grid * grid])), [1, 3, grid, grid])

  // 2. What is left over along the border, interpolated inwards.
  const left = sub(cells, fitted)
  const leftSquared = sum(square(left), [1])
  const trust = square(div(0.05 ** 2, add(leftSquared, 0.05 ** 2)))
  const side = (axis: 2 | 3, from: number) => {
    const [strip, weight] = [left, trust].map((map) => slice(map, axis, from, from + rim)) as [Value, Value]
    const [height, width] = axis === 2 ? [1, 13] : [13, 1]
    const numerator = meanPool(sum(mul(strip, weight), [axis]), height, width)
    return div(numerator, add(meanPool(sum(weight, [axis]), height, width), 0.3))
  }
  const [top, bottom] = [side(2, 0), side(2, grid - rim)]
  const [west, east] = [side(3, 0), side(3, grid - rim)]
  const across = mul(add(x, 1), 0.5)
  const down = mul(add(y, 1), 0.5)
  const blend = (a: Value, b: Value, t: Value) => add(mul(a, sub(1, t)), mul(b, t))
  const corner = (line: Value, axis: 2 | 3, from: number) => slice(line, axis, from, from + 1)
  const corners = blend(
    blend(corner(west, 2, 0), corner(east, 2, 0), across),
    blend(corner(west, 2, grid - 1), corner(east, 2, grid - 1), across),
    down,
  )
  const patch = sub(add(blend(west, east, across), blend(top, bottom, down)), corners)
  const backdropCells = add(fitted, patch)
  const backdrop = enlarge(backdropCells, cell)

  // 3. The distance from it, in view of its own noise.
  const borderTrust = border(trust, 1)
  const overBorder = (map: Value) =>
    div(sum(mul(border(map, 1), borderTrust), [0, 1]), add(sum(borderTrust, [0, 1]), 1e-3))
  const pixelNoise = sqrt(overBorder(cellVariance))
  const misfit = sqrt(overBorder(sum(square(sub(cells, backdropCells)), [1])))
  const strength = sqrt(add(sum(square(backdrop), [1]), 1e-3))
  /** The part of a difference that is a change of brightness, relative to the backdrop, and the rest. */
  const split = (difference: Value) => {
    const along = div(sum(mul(difference, backdrop), [1]), square(strength))
    const rest = sqrt(sum(square(sub(difference, mul(along, backdrop))), [1]))
    return { along, rest }
  }
  const smooth = sub(blur(colour, 3), backdrop)
  const calm = blur(colour, 5)
  const edges = sum(sub(dilate(sub(calm, backdrop), 3), erode(sub(calm, backdrop), 3)), [1])
  const smoothness = sub(1, step(edges, add(0.03, mul(pixelNoise, 1.5)), add(0.07, mul(pixelNoise, 3))))
  const forgiven = mul(smoothness, 0.35)
  const distanceOf = (difference: Value) => {
    const { along, rest } = split(difference)
    const brightness = max(along, sub(op('Neg', [along]), forgiven))
    return sqrt(add(square(rest), square(mul(max(brightness, 0), strength))))
  }
  const noise = add(mul(pixelNoise, 0.5), misfit)
  const distance = distanceOf(smooth)
  const open = sub(1, step(distance, add(0.012, mul(noise, 2)), add(0.035, mul(noise, 4))))

  // 4. The flood.
  const flood = (from: Value, through: Value, steps: number) => {
    let reached = min(from, through)
    for (let i = 0; i < steps; i++) reached = min(dilate(reached, 3), through)
    return reached
  }
  const openHalf = meanPool(open, 2, 2, 2)
  const openCells = erode(openHalf, 2, 2, 2)
  const edge = step(max(op('Abs', [x]), op('Abs', [y])), 1 - 2.5 / grid, 1 - 1.5 / grid)
  const reachedCells = flood(edge, openCells, 80)
  const reachedHalf = flood(repeat(reachedCells, 2), openHalf, 10)
  const reached = flood(repeat(reachedHalf, 2), open, 6)
  const found = sub(1, reached)

  // 5. Specks and edges.
  const foundCells = meanPool(found, cell, cell, cell)
  const solid = step(meanPool(foundCells, 3), 0.25, 0.4)
  const kept = enlarge(dilate(flood(solid, dilate(found, cell, cell, cell), 40), 3), cell)
  const subject = mul(found, kept)
  const core = step(erode(subject, 7), 0.5, 0.9)
  const exact = max(sub(distanceOf(sub(colour, backdrop)), mul(pixelNoise, 1.5)), 0)
  const reach = 13
  const typical = div(blur(mul(core, exact), reach), add(blur(core, reach), 1e-4))
  const ratio = clip(div(exact, add(mul(typical, 0.9), 0.01)))
  const alpha = max(core, min(ratio, dilate(step(subject, 0.3, 0.7), 3)))
  graph.output('alpha', alpha, [1, 1, size, size])
  return graph.toBytes()
}

const file = fileURLToPath(new URL('backdrop.onnx', import.meta.url))
if (process.argv[1] === fileURLToPath(import.meta.url)) await writeFile(file, backdropModel())
