import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Worker } from 'node:worker_threads'
import { afterEach, describe, expect, it } from 'vitest'
import type { RmbgError } from '../../src/errors.ts'
import type { LoadedModel, ModelSpec } from '../../src/model/contract.ts'
import { openModel } from '../../src/model/session.ts'
import { createGraph, type Graph, type Value } from '../../training/graph.ts'
import { model, modelFolder, plainSpec, redChannel, saveModel } from './graphs.ts'

const opened: LoadedModel[] = []
async function open(spec: ModelSpec): Promise<LoadedModel> {
  const result = await openModel(spec, { threads: 1 })
  opened.push(result)
  return result
}
afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()))
})

/** 6x4 pixels, the red channel counting up, green and blue constant. */
function picture(first = 0): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: 72 }, (_, i) => (i % 3 === 0 ? first + i / 3 : 200))
}

async function refusal(promise: Promise<unknown>): Promise<RmbgError> {
  const error = await promise.then(
    () => undefined,
    (reason) => reason,
  )
  expect(error).toMatchObject({ name: 'RmbgError' })
  expect(error.message).toMatch(/^[^\n]+\.$/)
  return error
}

/** Integers that ONNX Runtime can only know once it runs. */
const computed = (graph: Graph, image: Value, values: number[]) => {
  const zero = graph.op('Mul', [graph.op('ReduceMean', [image], { keepdims: 0 }), graph.constant(0)])
  return graph.op('Cast', [graph.op('Add', [zero, graph.constant(values)])], { to: 7 })
}

/** What a heavier model costs, without its weight: a chain of multiplications. */
const slow = (side: number, rounds: number) =>
  model({ output: [1, 1, 4, 6] }, (graph, image) => {
    const square = graph.constant(
      Array.from({ length: side * side }, () => 1 / side),
      [side, side],
    )
    let product = square
    // Depends on the image, so that it is not folded into a constant when the model is loaded.
    const seed = graph.op('ReduceMean', [image], { keepdims: 0 })
    product = graph.op('Mul', [product, seed])
    for (let round = 0; round < rounds; round++) product = graph.op('MatMul', [product, square])
    const nothing = graph.op('Mul', [graph.op('ReduceMean', [product], { keepdims: 0 }), graph.constant(0)])
    return graph.op('Add', [redChannel(graph, image), nothing])
  })

describe('the way into the model', () => {
  it('scales bytes to 0..1 and applies mean and std per channel, planes in the order R, G, B', async () => {
    const file = await model({}, (graph, image) => {
      // 4·R + 2·G + B: swapping planes or mistaking one channel's mean for another's shows.
      const weights = graph.constant([4, 2, 1], [1, 3, 1, 1])
      const sum = graph.op('ReduceSum', [graph.op('Mul', [image, weights]), graph.integers([1])])
      return graph.op('Div', [sum, graph.constant(100)])
    })
    const mean: [number, number, number] = [-0.1, -0.2, -0.3]
    const std: [number, number, number] = [0.5, 0.25, 0.125]
    const { alpha } = await (await open(plainSpec(file, { normalisation: { mean, std } }))).predict(picture())
    for (let i = 0; i < 24; i++) {
      const [r, g, b] = [i, 200, 200].map((byte, channel) => (byte / 255 - mean[channel]!) / std[channel]!)
      expect(alpha[i]).toBeCloseTo((4 * r! + 2 * g! + b!) / 100, 6)
    }
  })

  it('feeds interleaved pixels to a file that takes 1xHxWx3', async () => {
    const file = await model({ input: [1, 4, 6, 3], output: [1, 4, 6, 1] }, (graph, image) =>
      redChannel(graph, image, 3),
    )
    const opened = await open(plainSpec(file))
    expect(opened.inputSize).toEqual({ width: 6, height: 4 })
    const { alpha } = await opened.predict(picture())
    expect([...alpha].map((value) => Math.round(value * 255))).toEqual(
      Array.from({ length: 24 }, (_, i) => i),
    )
  })

  it('feeds half precision to a file that takes it, and reads a half-precision mask', async () => {
    const file = await model({ inputType: 'FLOAT16', outputType: 'FLOAT16' }, redChannel)
    const { alpha } = await (await open(plainSpec(file))).predict(picture(100))
    // Half precision has 11 significant bits: an error of 2^-12 relative.
    for (let i = 0; i < 24; i++) expect(Math.abs(alpha[i]! - (100 + i) / 255)).toBeLessThan(1.3e-4)
  })

  it('feeds bytes as they are to a file that takes uint8', async () => {
    const file = await model({ inputType: 'UINT8' }, (graph, image) =>
      graph.op('Div', [graph.op('Cast', [redChannel(graph, image)], { to: 1 }), graph.constant(255)]),
    )
    const { alpha } = await (await open(plainSpec(file))).predict(picture(100))
    for (let i = 0; i < 24; i++) expect(alpha[i]).toBeCloseTo((100 + i) / 255, 6)
  })

  it('feeds blue first to a file that takes BGR; mean and std stay those of R, G and B', async () => {
    const file = await model({}, redChannel)
    const normalisation: ModelSpec['normalisation'] = { mean: [0, 0, 0.5], std: [1, 1, 2] }
    const { alpha } = await (await open(plainSpec(file, { normalisation, channelOrder: 'BGR' }))).predict(
      picture(),
    )
    expect(alpha[0]).toBeCloseTo((200 / 255 - 0.5) / 2, 6)

    const interleaved = await model({ input: [1, 4, 6, 3], output: [1, 4, 6, 1] }, (graph, image) =>
      redChannel(graph, image, 3),
    )
    const last = await open(plainSpec(interleaved, { channelOrder: 'BGR' }))
    expect((await last.predict(picture())).alpha[0]).toBeCloseTo(200 / 255, 6)
  })

  it('takes the input size from the file, and from the spec where the file leaves it open', async () => {
    const fixed = await open(plainSpec(await model({}, redChannel)))
    expect(fixed.inputSize).toEqual({ width: 6, height: 4 })

    const file = await model({ input: ['n', 3, 'h', 'w'], output: ['n', 1, 'h', 'w'] }, redChannel)
    const free = await open(plainSpec(file, { inputSize: { width: 5, height: 3 } }))
    expect(free.inputSize).toEqual({ width: 5, height: 3 })
    expect(await free.predict(new Uint8Array(45))).toMatchObject({ width: 5, height: 3 })
  })

  it('refuses pixels of another size as a mistake of the caller', async () => {
    const opened = await open(plainSpec(await model({}, redChannel)))
    await expect(opened.predict(new Uint8Array(71))).rejects.toThrow(
      'Expected 72 bytes of RGB but received 71',
    )
  })
})

describe('the way out of the model', () => {
  it.each([
    ['1x1xHxW', [1, 1, 4, 6]],
    ['1xHxW', [1, 4, 6]],
    ['1xHxWx1', [1, 4, 6, 1]],
    ['HxW', [4, 6]],
  ])('accepts a mask of shape %s', async (_, shape) => {
    const file = await model({ output: shape }, (graph, image) =>
      graph.op('Reshape', [redChannel(graph, image), graph.integers(shape)]),
    )
    const matte = await (await open(plainSpec(file))).predict(picture(3))
    expect(matte).toMatchObject({ width: 6, height: 4 })
    expect(matte.alpha[23]! * 255).toBeCloseTo(26, 4)
  })

  it('clamps to 0..1 and never stretches: a faint mask stays faint, a constant one constant', async () => {
    const file = await model({}, (graph, image) =>
      graph.op('Sub', [graph.op('Mul', [redChannel(graph, image), graph.constant(20)]), graph.constant(0.5)]),
    )
    const opened = await open(plainSpec(file))
    const { alpha } = await opened.predict(picture())
    expect(alpha[0]).toBe(0)
    expect(alpha[23]).toBe(1)
    expect(alpha[7]).toBeCloseTo((7 / 255) * 20 - 0.5, 5)

    const same = await open(plainSpec(await model({}, redChannel)))
    const faint = await same.predict(new Uint8Array(72).fill(2))
    expect(Math.max(...faint.alpha)).toBeCloseTo(2 / 255, 6)
    expect(Math.min(...faint.alpha)).toBeCloseTo(2 / 255, 6)
    expect((await same.predict(new Uint8Array(72))).alpha.every((value) => value === 0)).toBe(true)
  })

  it('applies the activation that is pinned, and only that', async () => {
    const file = await model({}, (graph, image) =>
      graph.op('Sub', [redChannel(graph, image), graph.constant(0.5)]),
    )
    const { alpha } = await (await open(plainSpec(file, { activation: 'sigmoid' }))).predict(picture(100))
    for (let i = 0; i < 24; i++) expect(alpha[i]).toBeCloseTo(1 / (1 + Math.exp(0.5 - (100 + i) / 255)), 6)
  })

  it('reads the output the spec names, else the first', async () => {
    const graph = createGraph('two')
    const image = graph.input('image', [1, 3, 4, 6])
    graph.output('red', redChannel(graph, image), [1, 1, 4, 6])
    const blue = graph.op('Slice', [image, graph.integers([2]), graph.integers([3]), graph.integers([1])])
    graph.output('blue', blue, [1, 1, 4, 6])
    const file = await saveModel(graph.toBytes())
    expect((await (await open(plainSpec(file))).predict(picture())).alpha[0]).toBe(0)
    const named = await open(plainSpec(file, { output: 'blue' }))
    expect((await named.predict(picture())).alpha[0]).toBeCloseTo(200 / 255, 6)
    const error = await refusal(openModel(plainSpec(file, { output: 'green' })))
    expect(error).toMatchObject({ code: 'MODEL_INVALID', hint: 'Its outputs: red, blue.' })
  })

  describe('of several channels', () => {
    /** Background and subject: the red channel, and the rest to 1; channels first or last. */
    const twoChannels = (shape: number[], channelsLast = false) =>
      model({ output: shape }, (graph, image) => {
        const red = redChannel(graph, image)
        const both = graph.op('Concat', [graph.op('Sub', [graph.constant(1), red]), red], { axis: 1 })
        return channelsLast ? graph.op('Transpose', [both], { perm: [0, 2, 3, 1] }) : both
      })

    it.each([
      ['first', [1, 2, 4, 6], false],
      ['last', [1, 4, 6, 2], true],
    ])('reads the channel that the spec names, channels %s', async (_, shape, channelsLast) => {
      const file = await twoChannels(shape, channelsLast)
      const of = async (outputChannel: number) => {
        const { alpha } = await (await open(plainSpec(file, { outputChannel }))).predict(picture(100))
        return Math.round(alpha[23]! * 255)
      }
      expect([await of(0), await of(1)]).toEqual([132, 123])
    })

    it('takes softmax over all channels', async () => {
      const file = await twoChannels([1, 2, 4, 6])
      const spec = plainSpec(file, { outputChannel: 1, activation: 'softmax' })
      const { alpha } = await (await open(spec)).predict(picture(100))
      const red = 123 / 255
      expect(alpha[23]).toBeCloseTo(Math.exp(red) / (Math.exp(red) + Math.exp(1 - red)), 6)
    })

    it('is refused where nothing says which channel is the mask, or a channel that is not there', async () => {
      const file = await twoChannels([1, 2, 4, 6])
      const unnamed = await refusal(openModel(plainSpec(file)))
      expect(unnamed).toMatchObject({
        code: 'MODEL_INVALID',
        message: expect.stringContaining('float32 1x2x4x6, where one mask of 6x4 pixels is expected'),
        hint: expect.stringContaining('"outputChannel": 1'),
      })
      const absent = await refusal(openModel(plainSpec(file, { outputChannel: 2 })))
      expect(absent.message).toContain('where an output of 6x4 pixels with a channel 2 is expected')
    })
  })

  it('inverts an output that shows the background', async () => {
    const file = await model({}, redChannel)
    const { alpha } = await (await open(plainSpec(file, { invert: true }))).predict(picture(100))
    expect(Math.round(alpha[23]! * 255)).toBe(132)
  })

  it('says on request what the model was given and gave', async () => {
    const file = await model({}, (graph, image) =>
      graph.op('Mul', [redChannel(graph, image), graph.constant(10)]),
    )
    const { matte, input, output, alpha } = await (await open(plainSpec(file))).examine(picture(51))
    expect(matte).toMatchObject({ width: 6, height: 4 })
    expect(input.max).toBeCloseTo(200 / 255, 5)
    expect(output).toMatchObject({ min: 2, max: expect.closeTo(740 / 255, 4) })
    expect(alpha).toEqual({ min: 1, max: 1, mean: 1, standardDeviation: 0 })
  })

  it('refuses a mask that holds no number, for this image only', async () => {
    // log(red) is -Infinity on a black pixel, and fine elsewhere.
    const file = await model({}, (graph, image) => graph.op('Log', [redChannel(graph, image)]))
    const opened = await open(plainSpec(file))
    const error = await refusal(opened.predict(picture(0)))
    expect(error).toMatchObject({
      code: 'MODEL_OUTPUT',
      message: 'The model gave a mask with -Infinity in it.',
    })
    expect((await opened.predict(picture(1))).width).toBe(6)
  })

  it('refuses a mask of another shape', async () => {
    const file = await model({ output: [1, 1, 'h', 'w'] }, (graph, image) =>
      graph.op('Slice', [
        redChannel(graph, image),
        graph.integers([0]),
        computed(graph, image, [2]),
        graph.integers([2]),
      ]),
    )
    const error = await refusal((await open(plainSpec(file))).predict(picture()))
    expect(error).toMatchObject({
      code: 'MODEL_OUTPUT',
      message: 'The model gave a mask of shape 1x1x2x6 for an image of 6x4 pixels.',
    })
  })
})

describe('a file that cannot be used is one sentence that names it', () => {
  const invalid = async (spec: ModelSpec) => {
    const error = await refusal(openModel(spec))
    expect(error.code).toBe('MODEL_INVALID')
    expect(error.message).toContain(spec.file)
    return error.message.slice(spec.file.length + 1)
  }

  it('text, nothing at all, and a truncated model', async () => {
    expect(await invalid(plainSpec(await saveModel(Buffer.from('<html>404</html>'))))).toMatch(
      /^cannot be loaded/,
    )
    expect(await invalid(plainSpec(await saveModel(Buffer.alloc(0))))).toMatch(/^cannot be loaded/)
    const bytes = await readFile(await slow(64, 2))
    expect(await invalid(plainSpec(await saveModel(bytes.subarray(0, bytes.length / 2))))).toMatch(
      /^cannot be loaded/,
    )
  })

  it('several inputs', async () => {
    const graph = createGraph('two')
    const [a, b] = [graph.input('image', [1, 3, 4, 6]), graph.input('trimap', [1, 3, 4, 6])]
    graph.output('mask', graph.op('Add', [a, b]), [1, 3, 4, 6])
    expect(await invalid(plainSpec(await saveModel(graph.toBytes())))).toBe(
      'has 2 inputs (image, trimap), where one image is expected.',
    )
  })

  it('an input that is no RGB image, an output that is no mask', async () => {
    const identity = (graph: Graph, image: Value) => graph.op('Identity', [image])
    expect(await invalid(plainSpec(await model({ input: [1, 1, 4, 6] }, identity)))).toMatch(
      /^takes float32 1x1x4x6/,
    )
    expect(
      await invalid(plainSpec(await model({ input: [8, 3, 4, 6], output: [8, 3, 4, 6] }, identity))),
    ).toMatch(/^takes float32 8x3x4x6/)
    expect(await invalid(plainSpec(await model({ output: [1, 3, 4, 6] }, identity)))).toMatch(
      /^gives "mask" as float32 1x3x4x6, where one mask of 6x4 pixels is expected\.$/,
    )
  })

  it('a size that the spec contradicts, one that nobody states, and one that the file does not run at', async () => {
    const fixed = await model({}, redChannel)
    expect(await invalid(plainSpec(fixed, { inputSize: { width: 4, height: 6 } }))).toBe(
      'takes images of 6x4 pixels, but its description says 4x6.',
    )
    const free = await model({ input: [1, 3, 'h', 'w'], output: [1, 1, 'h', 'w'] }, redChannel)
    const error = await refusal(openModel(plainSpec(free)))
    expect(error.message).toContain('leaves its input size open')
    expect(error.hint).toContain('"inputSize": [width, height]')

    const even = await model({ input: [1, 3, 'h', 'w'], output: [1, 1, 'h', 'w'] }, (graph, image) =>
      graph.op('Reshape', [redChannel(graph, image), computed(graph, image, [1, 1, 2, 8])]),
    )
    expect(await invalid(plainSpec(even, { inputSize: { width: 5, height: 3 } }))).toMatch(
      /^does not run at 5x3 pixels/,
    )
  })
})

describe('many images', () => {
  it('keeps 50 concurrent images apart, gives each its own memory, and never blocks the main thread', async () => {
    const opened = await open(plainSpec(await slow(300, 4)))
    let longestPause = 0
    let before = performance.now()
    const timer = setInterval(() => {
      longestPause = Math.max(longestPause, performance.now() - before)
      before = performance.now()
    }, 1)
    const mattes = await Promise.all(Array.from({ length: 50 }, (_, i) => opened.predict(picture(i))))
    clearInterval(timer)
    mattes.forEach(({ alpha }, i) => {
      expect(alpha.byteLength).toBe(96)
      expect(Math.round(alpha[0]! * 255)).toBe(i)
    })
    expect(new Set(mattes.map(({ alpha }) => alpha.buffer)).size).toBe(50)
    // One image takes several ms here and all 50 much longer; busy cores may delay a timer a little.
    expect(longestPause).toBeLessThan(200)
  })

  it('runs two models side by side', async () => {
    const [red, blue] = await Promise.all([
      model({}, redChannel),
      model({}, (graph, image) =>
        graph.op('Slice', [image, graph.integers([2]), graph.integers([3]), graph.integers([1])]),
      ),
    ])
    const [first, second] = await Promise.all([open(plainSpec(red)), open(plainSpec(blue))])
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        Promise.all([first.predict(picture(i)), second.predict(picture(i))]),
      ),
    )
    results.forEach(([one, other], i) => {
      expect(one.alpha[0]! * 255).toBeCloseTo(i, 4)
      expect(other.alpha[0]! * 255).toBeCloseTo(200, 4)
    })
  })

  it('does not grow over many images', async () => {
    const size = { width: 256, height: 256 }
    const shape = [1, 3, 256, 256]
    const opened = await open(plainSpec(await model({ input: shape, output: [1, 1, 256, 256] }, redChannel)))
    const run = async (count: number) => {
      for (let i = 0; i < count; i++) await opened.predict(new Uint8Array(size.width * size.height * 3))
      return process.memoryUsage().rss
    }
    const warm = await run(150)
    const after = await run(600)
    // 600 images kept would be 270 MB of pixels and mattes.
    expect((after - warm) / 2 ** 20).toBeLessThan(100)
  })
})

describe('a thread that dies', () => {
  /** The threads that are started while `action` runs. */
  async function threadsOf<T>(action: () => Promise<T>) {
    const threads: Worker[] = []
    const listener = (worker: Worker) => threads.push(worker)
    process.on('worker', listener)
    try {
      return { result: await action(), threads }
    } finally {
      process.off('worker', listener)
    }
  }

  /** Ends its thread on red 255: an index out of range is an error that ONNX Runtime meets while it runs. */
  const fragile = () =>
    model({}, (graph, image) => {
      const index = graph.op('Cast', [graph.op('ReduceMax', [redChannel(graph, image)], { keepdims: 0 })], {
        to: 7,
      })
      return graph.op('Mul', [redChannel(graph, image), graph.op('Gather', [graph.constant([1]), index])])
    })

  it('is started again and its image tried once more; those that wait go on', async () => {
    const file = await fragile()
    const opened = await open(plainSpec(file))
    // What the second thread loads does not mind red 255.
    await copyFile(await model({}, redChannel), file)
    const { result, threads } = await threadsOf(() =>
      Promise.all([10, 232, 30].map((first) => opened.predict(picture(first)))),
    )
    expect(result.map(({ alpha }) => Math.round(alpha[0]! * 255))).toEqual([10, 232, 30])
    expect(threads).toHaveLength(1)
  })

  it('is started again when it died with nothing to do', async () => {
    const { result: opened, threads } = await threadsOf(async () =>
      open(plainSpec(await model({}, redChannel))),
    )
    await threads[0]!.terminate()
    expect((await opened.predict(picture(5))).alpha[0]! * 255).toBeCloseTo(5, 4)
  })

  it('dying again fails that image only', async () => {
    const file = await fragile()
    const opened = await open(plainSpec(file))
    const pictures = [picture(10), picture(232), picture(30)]
    const { result, threads } = await threadsOf(() =>
      Promise.allSettled(pictures.map((pixels) => opened.predict(pixels))),
    )
    expect(result.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    const { reason } = result[1] as PromiseRejectedResult
    expect(reason).toMatchObject({ name: 'RmbgError', code: 'MODEL_CRASHED', family: 'image' })
    expect(reason.message).toMatch(/^Inference failed twice on this image: .*indices.*\.$/)
    // One for the second try, one for the image after it.
    expect(threads).toHaveLength(2)
  })

  it('fails images while it cannot be started, and recovers when it can', async () => {
    const file = await model({}, redChannel)
    const bytes = await readFile(file)
    const { result: opened, threads } = await threadsOf(() => open(plainSpec(file)))
    await writeFile(file, 'not a model')
    await threads[0]!.terminate()
    expect(await refusal(opened.predict(picture()))).toMatchObject({ code: 'MODEL_CRASHED' })
    await writeFile(file, bytes)
    expect((await opened.predict(picture(5))).alpha[0]! * 255).toBeCloseTo(5, 4)
  })
})

describe('closing', () => {
  it('finishes what was handed in, takes nothing more, and may be repeated', async () => {
    const opened = await openModel(plainSpec(await slow(300, 20)), { threads: 1 })
    const pending = Promise.all([opened.predict(picture(1)), opened.predict(picture(2))])
    await Promise.all([opened.close(), opened.close()])
    expect((await pending).map(({ alpha }) => Math.round(alpha[0]! * 255))).toEqual([1, 2])
    await expect(opened.predict(picture())).rejects.toThrow('The model is closed')
  })

  it('leaves no thread behind', async () => {
    let ended = false
    const listener = (worker: Worker) => once(worker, 'exit').then(() => (ended = true))
    process.once('worker', listener)
    const opened = await openModel(plainSpec(await model({}, redChannel)), { threads: 1 })
    await opened.close()
    expect(ended).toBe(true)
  })

  it('a process ends by itself, quietly, with a model closed or forgotten', {
    timeout: 60_000,
  }, async () => {
    const spec = JSON.stringify(plainSpec(await slow(300, 20)))
    const session = new URL('../../src/model/session.ts', import.meta.url).href
    const run = async (end: string) => {
      const inThread = new URL('../support/tsx-in-thread.mjs', import.meta.url).href
      const code = `import { openModel } from '${session}'
        const model = await openModel(${spec})
        await model.predict(new Uint8Array(72))
        ${end}
        console.log('end')`
      const file = join(modelFolder, 'program.mjs')
      await writeFile(file, code)
      const child = promisify(execFile)(process.execPath, ['--import', 'tsx', '--import', inThread, file])
      const { stdout, stderr } = await child
      expect({ stdout, stderr, code: child.child.exitCode }).toEqual({ stdout: 'end\n', stderr: '', code: 0 })
    }
    await run('await model.close()')
    await run('')
    await run(
      `model.predict(new Uint8Array(72)); process.on('exit', () => console.log('end')); process.exit()`,
    )
  })
})
