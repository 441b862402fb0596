import { writeFile } from 'node:fs/promises'
import { model, redChannel } from '../model/graphs.ts'

/** A model whose masks no two runs agree on, though file and so parameters are the same. @returns its path */
export async function noise(): Promise<string> {
  const side = 32
  const file = await model({ input: [1, 3, side, side], output: [1, 1, side, side] }, (graph, image) =>
    graph.op('RandomUniformLike', [redChannel(graph, image)]),
  )
  await writeFile(file.replace(/onnx$/, 'json'), JSON.stringify({ mean: [0, 0, 0], std: [1, 1, 1] }))
  return file
}
