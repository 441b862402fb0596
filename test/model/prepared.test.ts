/** Graphs that ONNX Runtime has saved: made once, taken again, and never needed. */
import { mkdtemp, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import type { ModelSpec } from '../../src/model/contract.ts'
import { copyWithOneOutput } from '../../src/model/prepared/one-output.ts'
import { forgetPrepared, preparedShelf } from '../../src/model/prepared/shelf.ts'
import { openModel } from '../../src/model/session.ts'
import { sha256OfModel } from '../../src/model/shelf/digest.ts'
import { createGraph } from '../../training/graph.ts'
import { model, modelFolder, plainSpec, redChannel, saveModel } from './graphs.ts'

/** The mask is the red channel; what it is made of and a map that nobody asks for are outputs as well. */
async function withThreeOutputs(): Promise<string> {
  const graph = createGraph('test')
  const image = graph.input('image', [1, 3, 4, 6])
  const red = redChannel(graph, image)
  graph.output('mask', graph.op('Mul', [red, graph.constant(1)]), [1, 1, 4, 6])
  graph.output('inner', red, [1, 1, 4, 6])
  const weights = graph.constant(new Array(300).fill(0.1), [1, 3, 10, 10])
  graph.output('unwanted', graph.op('ReduceMean', [weights], { axes: [1], keepdims: 1 }), [1, 1, 10, 10])
  return saveModel(graph.toBytes())
}

const own = (): Promise<string> => mkdtemp(join(modelFolder, 'models-'))

async function specOf(file: string, overrides: Partial<ModelSpec> = {}): Promise<ModelSpec> {
  return plainSpec(file, { sha256: await sha256OfModel(file), ...overrides })
}

/** Of a picture whose red channel counts up. */
async function matteOf(spec: ModelSpec, modelsFolder?: string): Promise<number[]> {
  const opened = await openModel(spec, { threads: 1, device: 'cpu', modelsFolder })
  try {
    const rgb = Uint8Array.from({ length: 72 }, (_, index) => (index % 3 === 0 ? index : 200))
    return [...(await opened.predict(rgb)).alpha]
  } finally {
    await opened.close()
  }
}

async function kept(modelsFolder: string): Promise<{ graphs: string[]; records: string[] }> {
  const files = (await readdir(join(modelsFolder, '.prepared'), { recursive: true })).map((name) =>
    join(modelsFolder, '.prepared', name),
  )
  const ending = (end: string) => files.filter((file) => file.endsWith(end))
  return { graphs: ending('.ort'), records: ending('.json') }
}

it('gives the mask of the model itself, when a graph is made and when it is taken again', async () => {
  const spec = await specOf(await withThreeOutputs())
  const folder = await own()
  const itself = await matteOf(spec)
  expect(await matteOf(spec, folder)).toEqual(itself)
  const made = await kept(folder)
  expect(made).toEqual({ graphs: [expect.any(String)], records: [expect.any(String)] })
  const { ctimeMs, ino } = await stat(made.graphs[0]!)
  expect(await matteOf(spec, folder)).toEqual(itself)
  expect(await kept(folder)).toEqual(made)
  expect(await stat(made.graphs[0]!)).toMatchObject({ ino })
  expect((await stat(made.graphs[0]!)).ctimeMs).toBeGreaterThanOrEqual(ctimeMs)
  // No unfinished file is left.
  const names = await readdir(join(folder, '.prepared', spec.sha256))
  expect(names.filter((name) => name.startsWith('.'))).toEqual([])
})

it('makes a graph for each output that is asked for', async () => {
  const file = await withThreeOutputs()
  const folder = await own()
  const mask = await matteOf(await specOf(file, { output: 'mask' }), folder)
  expect(await matteOf(await specOf(file, { output: 'inner' }), folder)).toEqual(mask)
  expect((await kept(folder)).records).toHaveLength(2)
})

it('keeps a graph for each way to lay it out, also where both are the same bytes', async () => {
  const folder = await own()
  const shelves = [true, false].map((blockedLayout) =>
    preparedShelf(folder, { sha256: 'a'.repeat(64), output: undefined, blockedLayout }),
  )
  for (const shelf of shelves) {
    const temporary = await shelf.temporary()
    await writeFile(temporary, 'the same graph')
    await shelf.keep(temporary, { inputs: [], outputs: [] })
  }
  const [left, other] = shelves
  await other!.discard()
  expect(await other!.find()).toBeUndefined()
  expect(await left!.find()).toMatchObject({ file: expect.stringMatching(/\.ort$/) })
  expect((await kept(folder)).graphs).toHaveLength(1)
})

it('does not trust a graph that was changed, and makes it again', async () => {
  const spec = await specOf(await withThreeOutputs())
  const folder = await own()
  const itself = await matteOf(spec, folder)
  const [graph = ''] = (await kept(folder)).graphs
  const bytes = await readFile(graph)
  bytes[bytes.length >> 1]! ^= 0xff
  await writeFile(graph, bytes)
  expect(await matteOf(spec, folder)).toEqual(itself)
  const [record = ''] = (await kept(folder)).records
  const { graph: named } = JSON.parse(await readFile(record, 'utf8'))
  expect(await sha256OfModel(join(folder, '.prepared', spec.sha256, named))).toBe(named.replace('.ort', ''))
})

it('works where nothing can be kept', async () => {
  const spec = await specOf(await withThreeOutputs())
  const folder = await own()
  await writeFile(join(folder, '.prepared'), 'a file where the folder should be')
  expect(await matteOf(spec, folder)).toEqual(await matteOf(spec))
})

it('refuses what it would refuse without it, and names all outputs', async () => {
  const spec = await specOf(await withThreeOutputs(), { output: 'unwanted' })
  const refusal = (modelsFolder?: string) =>
    matteOf(spec, modelsFolder).catch((error: Error & { hint?: string }) => [error.message, error.hint])
  const [message, hint] = (await refusal()) as string[]
  expect(message).toContain('"unwanted"')
  expect(hint).toContain('mask, inner, unwanted')
  expect(await refusal(await own())).toEqual([message, hint])
})

it('notes that no graph can be made of a model with weights in other files', async () => {
  const spec = await specOf(await model({}, (graph, image) => redChannel(graph, image)))
  const folder = await own()
  await matteOf(spec, folder)
  const [record = ''] = (await kept(folder)).records
  await writeFile(record, '{"unusable":"It keeps weights in other files"}\n')
  await matteOf(spec, folder)
  expect(JSON.parse(await readFile(record, 'utf8'))).toEqual({ unusable: 'It keeps weights in other files' })
})

it('removes graphs that nobody has used for a month, and all of a model that goes', async () => {
  const file = await withThreeOutputs()
  const folder = await own()
  const spec = await specOf(file)
  await matteOf(spec, folder)
  const before = await kept(folder)
  const longAgo = new Date(Date.now() - 31 * 24 * 60 * 60 * 1000)
  for (const each of [...before.graphs, ...before.records]) await utimes(each, longAgo, longAgo)
  await matteOf({ ...spec, output: 'inner' }, folder)
  const after = await kept(folder)
  expect(after.records).toHaveLength(1)
  expect(after.records).not.toEqual(before.records)
  await forgetPrepared(folder, spec.sha256)
  expect(await readdir(join(folder, '.prepared'))).toEqual([])
})

it('copies a model without what only its other outputs need', async () => {
  const file = await withThreeOutputs()
  const copy = join(await own(), 'copy.onnx')
  expect(await copyWithOneOutput(file, undefined, copy)).toBe(true)
  const bytes = await readFile(copy, 'latin1')
  expect(bytes).toContain('Mul')
  expect(bytes).not.toContain('ReduceMean')
  expect(await matteOf(await specOf(copy))).toEqual(await matteOf(await specOf(file)))
  expect(await copyWithOneOutput(file, 'nothing', copy)).toBe(false)
  expect(await copyWithOneOutput(copy, undefined, join(await own(), 'again.onnx'))).toBe(false)
})
