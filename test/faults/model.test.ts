/** Models that crash, are damaged, or give no mask, under the built program. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import sharp from 'sharp'
import { describe, expect, it, vi } from 'vitest'
import type { Graph, Value } from '../../training/graph.ts'
import { model, redChannel, saveModel } from '../model/graphs.ts'
import { type Finished, root } from '../support/cli.ts'
import { freshWorkspace, type Workspace } from '../support/fixture-workspace.ts'
import { ending, eventsOf } from './assert-output.ts'

// Nothing is timed: a busy machine may take as long as it likes.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 })

const side = 32
const shape = [1, 1, side, side]

/** One that takes pixels as 0..1 at 32x32. */
async function modelOf(body: (graph: Graph, image: Value) => Value, output: (number | string)[] = shape) {
  const file = await model({ input: [1, 3, side, side], output }, body)
  await writeFile(file.replace(/onnx$/, 'json'), JSON.stringify({ mean: [0, 0, 0], std: [1, 1, 1] }))
  return file
}

/** Of the picture's red: 1 where it is full, which of these pictures only the white one's is. */
const fullRed = (graph: Graph, image: Value): Value =>
  graph.op('Floor', [graph.op('ReduceMax', [redChannel(graph, image)], { keepdims: 0 })])

/** Three photos, and a white one in their midst that only some models can take. */
async function photos(): Promise<Workspace> {
  const workspace = await freshWorkspace()
  const white = sharp({ create: { width: 160, height: 120, channels: 3, background: 'white' } })
  await white.png().toFile(join(workspace.folder, 'photos/d-white.png'))
  return workspace
}

const summary = (finished: Finished) => eventsOf(finished).findLast(({ type }) => type === 'summary')!

describe('a model that', () => {
  it.each<[string, (graph: Graph, image: Value) => Value, string, RegExp]>([
    [
      'crashes its thread',
      (graph, image) =>
        graph.op('Mul', [
          redChannel(graph, image),
          graph.op('Gather', [graph.constant([1]), graph.op('Cast', [fullRed(graph, image)], { to: 7 })]),
        ]),
      'MODEL_CRASHED',
      /^Inference failed twice on this image: .*indices.*\.$/,
    ],
    [
      'asks for more memory than there is',
      (graph, image) => {
        const much = graph.op('Add', [
          graph.op('Mul', [fullRed(graph, image), graph.constant(1e7)]),
          graph.constant([1, 1]),
        ])
        const huge = graph.op('Expand', [graph.constant(1), graph.op('Cast', [much], { to: 7 })])
        return graph.op('Mul', [redChannel(graph, image), graph.op('ReduceMax', [huge], { keepdims: 0 })])
      },
      'MODEL_CRASHED',
      /^Inference failed twice on this image: .*Failed to allocate memory for requested buffer of size \d+\.$/,
    ],
    [
      'gives NaN',
      (graph, image) => {
        const zero = graph.op('Sub', [graph.constant(1), fullRed(graph, image)])
        return graph.op('Mul', [redChannel(graph, image), graph.op('Div', [zero, zero])])
      },
      'MODEL_OUTPUT',
      /^The model gave a mask with NaN in it\.$/,
    ],
  ])('%s fails that image, and the others go on', async (_, body, code, sentence) => {
    const { run, rows } = await photos()
    const finished = await run('process', 'photos', '--model', await modelOf(body), '--json')
    expect(finished.status, finished.stdout + finished.stderr).toBe(3)
    const { completed, failures } = summary(finished)
    expect(completed).toBe(3)
    expect(failures).toEqual([
      { input: 'photos/d-white.png', code, message: expect.stringMatching(sentence) },
    ])
    expect(failures[0].message).not.toContain('onnxruntime_src')
    expect((await rows()).filter(({ status }) => status === 'failed')).toMatchObject([
      { error_code: code, error_message: failures[0].message },
    ])
    // What one model cannot do, another can, and the log says so in the same row or a new one.
    const again = await run('process', 'photos', '--model', 'backdrop', '--json')
    expect(again.status, again.stderr).toBe(0)
    await rows()
  })

  it('gives a mask of another shape fails its trial, before any image is worked on', async () => {
    const { run, rows } = await photos()
    const cut = await modelOf(
      (graph, image) => {
        const zero = graph.op('Mul', [graph.op('ReduceMean', [image], { keepdims: 0 }), graph.constant(0)])
        const end = graph.op('Cast', [graph.op('Add', [zero, graph.constant([8])])], { to: 7 })
        return graph.op('Slice', [redChannel(graph, image), graph.integers([0]), end, graph.integers([2])])
      },
      [1, 1, 'h', 'w'],
    )
    const finished = await run('process', 'photos', '--model', cut, '--json')
    expect(finished.status, finished.stdout + finished.stderr).toBe(6)
    expect(ending(finished)).toBe(
      `${cut} failed its trial: The model gave a mask of shape 1x1x8x32 for an image of 32x32 pixels. [MODEL_INVALID]`,
    )
    expect((await rows()).filter(({ status }) => status === 'completed')).toEqual([])
  })

  it('finds nothing on any trial picture is refused, now and the next time', async () => {
    const { run, rows } = await photos()
    const empty = await modelOf((graph, image) =>
      graph.op('Mul', [redChannel(graph, image), graph.constant(0)]),
    )
    for (let round = 0; round < 2; round++) {
      const finished = await run('process', 'photos', '--model', empty, '--json')
      expect(finished.status, finished.stdout + finished.stderr).toBe(6)
      expect(ending(finished)).toBe(
        `${empty} finds nothing on 3 trial pictures with one clear subject each: every mask is empty. [MODEL_INVALID]`,
      )
    }
    expect((await rows()).filter(({ status }) => status === 'completed')).toEqual([])
  })
})

describe('a model file that is', () => {
  const cannotLoad = (file: string) =>
    new RegExp(
      `^${file.replaceAll('.', '\\.')} cannot be loaded as an ONNX model: .*\\. \\[MODEL_INVALID\\]$`,
    )

  it('cut off, overwritten, empty or of another shape ends the run with a sentence that names it', async () => {
    const { run, rows } = await photos()
    const bytes = await readFile(join(root, 'src/model/builtin/silhouette.onnx'))
    const overwritten = Buffer.from(bytes)
    overwritten.fill(0xa5, 0, 4096)
    const damaged: Record<string, Buffer> = {
      'cut off': bytes.subarray(0, bytes.length / 2),
      overwritten,
      empty: Buffer.alloc(0),
    }
    for (const [how, content] of Object.entries(damaged)) {
      const file = await saveModel(content)
      const finished = await run('process', 'photos', '--model', file, '--json')
      expect(finished.status, how + finished.stderr).toBe(6)
      expect(ending(finished), how).toMatch(cannotLoad(file))
    }
    const shapeless = await modelOf((graph, image) => graph.op('Identity', [image]), [1, 3, side, side])
    const refused = await run('process', 'photos', '--model', shapeless, '--json')
    expect(refused.status).toBe(6)
    expect(ending(refused)).toBe(
      `${shapeless} gives "mask" as float32 1x3x32x32, where one mask of 32x32 pixels is expected. [MODEL_INVALID]`,
    )
    expect((await rows()).filter(({ status }) => status === 'completed')).toEqual([])
    expect((await run('process', 'photos', '--model', 'backdrop')).status).toBe(0)
  })

  it('not what was installed any more is refused before anything is done', async () => {
    const { run, rows, home } = await photos()
    const whole = await saveModel(await readFile(join(root, 'src/model/builtin/backdrop.onnx')), 'model_int8')
    const pulled = await run('model', 'pull', 'rmbg-2.0:int8', '--from', whole, '--accept-license')
    expect(pulled.status, pulled.stderr).toBe(0)
    const file = join(home, 'models/rmbg-2.0/int8.onnx')
    const bytes = await readFile(file)
    bytes[bytes.length >> 1]! ^= 1
    await writeFile(file, bytes)
    for (const name of ['auto', 'rmbg-2.0:int8']) {
      const finished = await run('process', 'photos', '--model', name, '--json')
      expect(finished.status, finished.stderr).toBe(6)
      expect(ending(finished)).toBe(`${file} is not what was installed as rmbg-2.0:int8. [MODEL_DAMAGED]`)
      expect(finished.stderr).toContain('rmbg model pull rmbg-2.0:int8')
    }
    expect(await rows()).toEqual([])
  })
})
