/**
 * Kinds of published files: weights in half precision, quantized ones, open shapes. Small files stand in for them; where
 * `RMBG_TEST_WEIGHTS` names a folder with the real `isnet-medium.onnx` (half precision) and `isnet-small.onnx` (quantized, open
 * shapes) of @imgly/background-removal-data 1.4.5, those are tested, too.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { compareWithPublished } from '../../src/model/expected.ts'
import { resolveModel } from '../../src/model/shelf/registry.ts'
import { tryModel } from '../../src/model/trial.ts'
import type { Graph, Value } from '../../training/graph.ts'
import { model, plainSpec } from './graphs.ts'

const [float, byte, half] = [1, 2, 10]
const side = 64

/** Of a 1x1 convolution. The bottle is darker than its backdrop: one minus the mean of the channels. */
const darkness = (graph: Graph) => graph.constant([-1 / 3, -1 / 3, -1 / 3], [1, 3, 1, 1])
const fromOne = (graph: Graph, value: Value) => graph.op('Add', [value, graph.constant(1)])

/** As optimizers store them: half precision in the file, single precision in use. */
const halfWeights = (graph: Graph, image: Value) => {
  const weights = graph.op('Cast', [graph.op('Cast', [darkness(graph)], { to: half })], { to: float })
  return fromOne(graph, graph.op('Conv', [image, weights], { kernel_shape: [1, 1] }))
}

/** Integer arithmetic in between, as dynamic quantization makes it. */
const quantized = (graph: Graph, image: Value) => {
  const zero = graph.op('Cast', [graph.constant(0)], { to: byte })
  const pixels = graph.op('QuantizeLinear', [image, graph.constant(1 / 255), zero])
  const ones = graph.op('Cast', [graph.constant([1, 1, 1], [1, 3, 1, 1])], { to: byte })
  const sums = graph.op('ConvInteger', [pixels, ones, zero, zero], { kernel_shape: [1, 1] })
  const scaled = graph.op('Mul', [graph.op('Cast', [sums], { to: float }), graph.constant(-1 / 765)])
  return fromOne(graph, scaled)
}

const fixed = { input: [1, 3, side, side], output: [1, 1, side, side] }
const open = { input: ['batch', 3, 'height', 'width'], output: ['batch', 1, 'height', 'width'] }

describe('a file', () => {
  it.each([
    ['with weights in half precision', fixed, halfWeights],
    ['that is quantized', fixed, quantized],
    ['that leaves batch, height and width open', open, halfWeights],
    ['that is quantized and leaves its shapes open', open, quantized],
  ])('%s works like any other', async (_, shapes, body) => {
    const file = await model(shapes, body)
    const inputSize = { width: side, height: side }
    const { pictures } = await tryModel(plainSpec(file, { inputSize }), { threads: 1, device: 'cpu' })
    for (const { input, output } of pictures) {
      // One minus the mean of the channels, to within a level of 255 and the precision of the weights.
      expect(Math.abs(output.mean - (1 - input.mean))).toBeLessThan(0.005)
    }
  })
})

const weights = process.env.RMBG_TEST_WEIGHTS ?? '/nowhere'

describe.each(['isnet-medium', 'isnet-small'])('the real %s', (name) => {
  const file = join(weights, `${name}.onnx`)

  it.skipIf(!existsSync(file))(
    'is known by its digest and finds what it should',
    {
      timeout: 300_000,
    },
    async () => {
      const spec = await resolveModel(file, { modelsFolder: '/nowhere' })
      expect(spec).toMatchObject({ name: 'isnet', normalisation: { mean: [0.5, 0.5, 0.5], std: [1, 1, 1] } })
      expect(spec.unproven).toBeUndefined()
      const trial = await tryModel(spec)
      expect(compareWithPublished(trial)).toEqual({ state: 'as-expected' })
    },
  )
})
