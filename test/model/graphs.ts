/** Small models for tests, written with the same builder as the built-in one. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import type { ModelSpec } from '../../src/model/contract.ts'
import { createGraph, type Graph, type Shape, type Value } from '../../training/graph.ts'

const folder = await mkdtemp(join(tmpdir(), 'rmbg-model-'))
afterAll(() => rm(folder, { recursive: true, force: true }))

export { folder as modelFolder }

export async function saveModel(bytes: Uint8Array, name = randomBytes(6).toString('hex')): Promise<string> {
  const file = join(folder, `${name}.onnx`)
  await writeFile(file, bytes)
  return file
}

/** A spec that passes bytes on as 0..1. */
export function plainSpec(file: string, overrides: Partial<ModelSpec> = {}): ModelSpec {
  return {
    name: 'test',
    file,
    sha256: '0'.repeat(64),
    normalisation: { mean: [0, 0, 0], std: [1, 1, 1] },
    activation: 'none',
    license: 'MIT',
    ...overrides,
  }
}

interface Shapes {
  input?: Shape
  output?: Shape
  inputType?: 'FLOAT' | 'FLOAT16' | 'UINT8'
  outputType?: 'FLOAT' | 'FLOAT16'
}

/** One input `image`, one output `mask`, and what is written between them. */
export function model(shapes: Shapes, body: (graph: Graph, image: Value) => Value): Promise<string> {
  const graph = createGraph('test')
  const image = graph.input('image', shapes.input ?? [1, 3, 4, 6], shapes.inputType)
  graph.output('mask', body(graph, image), shapes.output ?? [1, 1, 4, 6], shapes.outputType)
  return saveModel(graph.toBytes())
}

/** The first channel as the mask. */
export const redChannel = (graph: Graph, image: Value, axis = 1): Value =>
  graph.op('Slice', [image, graph.integers([0]), graph.integers([1]), graph.integers([axis])])

/** A model that takes what is darker than the backdrop for the subject. */
export function darkness(size: number): Uint8Array {
  const graph = createGraph('darkness')
  const image = graph.input('pixel_values', [1, 3, size, size])
  const light = graph.op('ReduceMean', [image], { axes: [1], keepdims: 1 })
  const dark = graph.op('Sub', [graph.constant(0), light])
  graph.output('alphas', graph.op('Clip', [dark, graph.constant(0), graph.constant(1)]), [1, 1, size, size])
  return graph.toBytes()
}
