/** Models of known cost, with random weights: always the same files. */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createGraph, type Graph, type Value } from '../../../training/graph.ts'
import { randomNumbers } from '../../support/random.ts'
import { benchFolder, save } from './place.ts'

export interface BenchModel {
  name: string
  /** Absolute; beside it lies the JSON that describes it. */
  file: string
  /** Side of its square input, in pixels. */
  size: number
  /** Multiplications and additions of one inference, in thousand millions. */
  gflop: number
}

/** How a picture is shown to the models: also what their JSON says. */
export const normalisation = { mean: [0.5, 0.5, 0.5], std: [1, 1, 1] }

/** Goes up with every change of what is written below, or the files of before are used. */
const version = 1

export const lightModel = (): Promise<BenchModel> => network('light', 320, [2, 2, 2])
export const heavyModel = (): Promise<BenchModel> => network('heavy', 1024, [4, 5, 5])

/** No inference to speak of. */
export async function trivialModel(): Promise<BenchModel> {
  const size = 32
  return model('trivial', size, (graph, image) => {
    const red = graph.op('Slice', [image, ...[[0], [1], [1]].map((at) => graph.integers(at))])
    return { mask: graph.op('Add', [ellipse(graph, size), scaled(graph, red, 0.01)]), flop: 0 }
  })
}

/**
 * An encoder and a decoder of 3x3 convolutions, as mattes are made with. What it finds (nothing: its weights are random)
 * moves the soft edge of a fixed ellipse, so that the matte is like a photograph's: a third covered, an edge that is
 * soft, and exactly 0 and 1 elsewhere.
 *
 * @param blocks convolutions at a quarter, an eighth and a sixteenth of the size
 */
function network(name: string, size: number, blocks: [number, number, number]): Promise<BenchModel> {
  return model(name, size, (graph, image) => {
    const next = randomNumbers(1)
    let flop = 0
    const convolve = (input: Value, from: number, to: number, side: number, stride = 1) => {
      const spread = Math.sqrt(6 / (from * 9)) // He's, uniform
      const weights = Array.from({ length: to * from * 9 }, () => (next() * 2 - 1) * spread)
      flop += 2 * 9 * from * to * side * side
      return graph.op('Conv', [input, graph.constant(weights, [to, from, 3, 3])], {
        kernel_shape: [3, 3],
        pads: [1, 1, 1, 1],
        strides: [stride, stride],
      })
    }
    const relu = (value: Value) => graph.op('Relu', [value])
    const enlarge = (value: Value, factor: number) =>
      graph.op('Resize', [value, '', graph.constant([1, 1, factor, factor])], { mode: 'linear' })
    /** Half of it and half of what it makes of it, so that numbers stay of one size however deep it is. */
    const stage = (input: Value, count: number, channels: number, side: number) => {
      let value = input
      for (let i = 0; i < count; i++) {
        const change = convolve(value, channels, channels, side)
        value = relu(scaled(graph, graph.op('Add', [value, change]), 0.7))
      }
      return value
    }

    const half = relu(convolve(image, 3, 32, size / 2, 2))
    const quarter = stage(relu(convolve(half, 32, 64, size / 4, 2)), blocks[0], 64, size / 4)
    const eighth = stage(relu(convolve(quarter, 64, 128, size / 8, 2)), blocks[1], 128, size / 8)
    const sixteenth = stage(relu(convolve(eighth, 128, 256, size / 16, 2)), blocks[2], 256, size / 16)
    const third = graph.op('Add', [eighth, enlarge(relu(convolve(sixteenth, 256, 128, size / 16)), 2)])
    const second = graph.op('Add', [quarter, enlarge(relu(convolve(third, 128, 64, size / 8)), 2)])
    const first = relu(convolve(second, 64, 32, size / 4))
    const found = graph.op('Sigmoid', [enlarge(convolve(first, 32, 1, size / 4), 4)])
    return { mask: graph.op('Add', [ellipse(graph, size), scaled(graph, found, 0.2)]), flop }
  })
}

const scaled = (graph: Graph, value: Value, factor: number): Value =>
  graph.op('Mul', [value, graph.constant(factor)])

/** From 0.5 on its outline to 1 and more inside and to 0 and less outside, over 3 % of the side. */
function ellipse(graph: Graph, size: number): Value {
  const squares = (radius: number) =>
    Array.from({ length: size }, (_, at) => (((at + 0.5) / size - 0.5) / radius) ** 2)
  const [across, down] = [
    graph.constant(squares(0.28), [1, 1, 1, size]),
    graph.constant(squares(0.36), [1, 1, size, 1]),
  ]
  const radius = graph.op('Sqrt', [graph.op('Add', [across, down])])
  return graph.op('Add', [scaled(graph, radius, -10), graph.constant(10.4)])
}

async function model(
  name: string,
  size: number,
  body: (graph: Graph, image: Value) => { mask: Value; flop: number },
): Promise<BenchModel> {
  const folder = join(benchFolder, 'models', `v${version}`)
  const file = join(folder, `${name}.onnx`)
  const about = join(folder, `${name}.about.json`)
  if (!existsSync(file)) {
    const graph = createGraph(name)
    const { mask, flop } = body(graph, graph.input('image', [1, 3, size, size]))
    const clipped = graph.op('Clip', [mask, graph.constant(0), graph.constant(1)])
    graph.output('mask', clipped, [1, 1, size, size])
    await save(about, JSON.stringify({ gflop: flop / 1e9 }))
    await save(join(folder, `${name}.json`), JSON.stringify({ inputSize: [size, size], ...normalisation }))
    await save(file, graph.toBytes())
  }
  return { name, file, size, ...JSON.parse(await readFile(about, 'utf8')) }
}
