/** A model on trial: what is refused, and that an outcome is kept. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { ModelSpec } from '../../src/model/contract.ts'
import { resolveModel } from '../../src/model/shelf/registry.ts'
import { tryModel } from '../../src/model/trial.ts'
import { renderTrialPicture, trialPictures } from '../../src/model/trial-pictures.ts'
import { openTriedModel } from '../../src/model/tried.ts'
import { sha256Of } from '../../src/system/sha256.ts'
import type { Graph, Value } from '../../training/graph.ts'
import { model, modelFolder, plainSpec, redChannel } from './graphs.ts'

const side = 64
const square = (body: (graph: Graph, image: Value) => Value) =>
  model({ input: [1, 3, side, side], output: [1, 1, side, side] }, body)
/** Turns the red channel into a mask of `gain * red + offset`. */
const linear = (gain: number, offset: number) =>
  square((graph, image) =>
    graph.op('Add', [
      graph.op('Mul', [redChannel(graph, image), graph.constant(gain)]),
      graph.constant(offset),
    ]),
  )
const unproven = async (file: Promise<string>, overrides: Partial<ModelSpec> = {}) =>
  plainSpec(await file, { unproven: true, ...overrides })
const tried = (spec: ModelSpec, folder: string) =>
  openTriedModel(spec, { threads: 1, device: 'cpu', modelsFolder: join(modelFolder, folder) })
const refusal = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.fail('It was not refused'),
    (error: unknown) => error,
  )

describe('the trial pictures', () => {
  it.each(trialPictures)('%s has a subject that covers a tenth to half of it', (name) => {
    const { alpha } = renderTrialPicture(name, { width: side, height: side })
    const area = alpha.reduce((sum, value) => sum + value, 0) / alpha.length
    expect(area).toBeGreaterThan(0.1)
    expect(area).toBeLessThan(0.5)
  })

  it('are the same bytes on every machine', () => {
    const digests = trialPictures.map((name) => {
      const { rgb } = renderTrialPicture(name, { width: 96, height: 64 })
      return sha256Of(rgb).slice(0, 16)
    })
    expect(digests).toEqual(['6fa8a0253a6a47fb', 'dccebab0eaa14a4d', '1523235e5a0fc96f'])
  })

  it('are what the built-in models find the subject of', async () => {
    for (const name of ['silhouette', 'backdrop']) {
      const { pictures } = await tryModel(await resolveModel(name, { modelsFolder: '/nowhere' }), {
        threads: 1,
      })
      expect(pictures.map(({ verdict }) => verdict)).toEqual(['found', 'found', 'found'])
    }
  })
})

describe('a trial', () => {
  it('says what the model was given and gave, how long it takes, and how right it is', async () => {
    const trial = await tryModel(plainSpec(await linear(-2, 1)), { threads: 1, device: 'cpu' })
    expect(trial).toMatchObject({
      sha256: '0'.repeat(64),
      inputSize: { width: side, height: side },
      provider: 'cpu',
      loadSeconds: expect.any(Number),
      secondsPerImage: expect.any(Number),
    })
    expect(trial.pictures.map(({ picture }) => picture)).toEqual([...trialPictures])
    const [{ input, output, alpha, iou }] = trial.pictures as [(typeof trial.pictures)[number]]
    expect(output.max).toBeCloseTo(1 - 2 * input.min, 1)
    expect(alpha.min).toBe(0)
    expect(iou).toBeGreaterThanOrEqual(0)
    expect(iou).toBeLessThanOrEqual(1)
  })

  it.each([
    ['empty', 0.001, 0, 'every mask is empty'],
    ['full', 0, 1, 'every mask is full'],
    ['the same everywhere', 0, 0.5, 'every mask is the same everywhere'],
  ])('refuses a model whose masks are all %s', async (_, gain, offset, sentence) => {
    const file = await linear(gain, offset)
    expect(await refusal(tryModel(plainSpec(file), { threads: 1 }))).toMatchObject({
      code: 'MODEL_INVALID',
      message: `${file} finds nothing on 3 trial pictures with one clear subject each: ${sentence}.`,
      hint: expect.stringContaining('JSON file beside it'),
    })
  })

  it('refuses a model that gives what is no number', async () => {
    const file = await square((graph, image) =>
      graph.op('Sqrt', [graph.op('Sub', [redChannel(graph, image), graph.constant(2)])]),
    )
    expect(await refusal(tryModel(plainSpec(file), { threads: 1 }))).toMatchObject({
      code: 'MODEL_INVALID',
      message: `${file} failed its trial: The model gave a mask with NaN in it.`,
    })
  })
})

describe('a model that nobody vouches for', () => {
  it('is tried once, and its outcome is kept', async () => {
    const spec = await unproven(linear(-2, 1))
    const folder = join(modelFolder, 'kept', '.trials')
    await (await tried(spec, 'kept')).close()
    const [record, ...others] = await readdir(folder)
    expect(others).toEqual([])
    const before = await readFile(join(folder, record!), 'utf8')
    expect(JSON.parse(before)).toEqual([{ picture: 'bottle', verdict: 'found' }])
    await (await tried(spec, 'kept')).close()
    expect(await readdir(folder)).toEqual([record])
  })

  it('is refused again without being loaded again', async () => {
    const spec = await unproven(linear(0, 1))
    const sentence = { code: 'MODEL_INVALID', message: expect.stringContaining('every mask is full') }
    expect(await refusal(tried(spec, 'refused'))).toMatchObject(sentence)
    expect(await refusal(tried({ ...spec, file: '/nowhere.onnx' }, 'refused'))).toMatchObject(sentence)
  })

  it('is tried again with other settings', async () => {
    const spec = await unproven(linear(1, 1))
    expect(await refusal(tried(spec, 'other'))).toMatchObject({ code: 'MODEL_INVALID' })
    const mean: [number, number, number] = [1, 1, 1]
    await (await tried({ ...spec, normalisation: { mean, std: [1, 1, 1] } }, 'other')).close()
  })

  it('is tried where no outcome can be kept', async () => {
    await (await tried(await unproven(linear(-2, 1)), '\0')).close()
  })
})

it('a model that is known is not tried', async () => {
  await (await tried(plainSpec(await linear(0, 1)), 'known')).close()
})
