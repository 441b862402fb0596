import { createHash } from 'node:crypto'
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import type { RmbgError } from '../../../src/errors.ts'
import { openModel } from '../../../src/model/session.ts'
import { fetchableModels } from '../../../src/model/shelf/known.ts'
import { builtinModels, resolveModel } from '../../../src/model/shelf/registry.ts'
import { sha256Of } from '../../../src/system/sha256.ts'
import { model, modelFolder, redChannel } from '../graphs.ts'

const options = { modelsFolder: join(modelFolder, 'models') }
const describedBy = async (file: string, description: unknown) => {
  const json = file.replace(/\.onnx$/, '.json')
  await writeFile(json, typeof description === 'string' ? description : JSON.stringify(description))
  return json
}
const refusal = async (promise: Promise<unknown>): Promise<RmbgError> => {
  const error = await promise.then(
    () => undefined,
    (reason) => reason,
  )
  expect(error).toMatchObject({ name: 'RmbgError' })
  expect(error.message).toMatch(/^[^\n]+\.$/)
  return error
}

describe('a model by name', () => {
  it.each(Object.entries(builtinModels))(
    '%s: its file is there, of the stated size and digest, and fits its entry',
    async (name, known) => {
      expect((await stat(known.file)).size).toBe(known.size)
      const spec = await resolveModel(name, options)
      expect(spec).toMatchObject({ name, activation: known.activation, license: known.license })
      expect(spec.sha256).toBe(known.sha256)
      expect(spec.sha256).toBe(
        createHash('sha256')
          .update(await readFile(known.file))
          .digest('hex'),
      )
      const opened = await openModel(spec, { threads: 1 })
      expect([opened.inputSize.width, opened.inputSize.height]).toEqual(known.inputSize)
      await opened.close()
    },
  )

  it('finds what somebody put into the models folder', async () => {
    await mkdir(options.modelsFolder, { recursive: true })
    await writeFile(join(options.modelsFolder, 'mine.onnx'), await readFile(await model({}, redChannel)))
    expect(await resolveModel('mine', options)).toMatchObject({
      name: 'mine',
      file: join(options.modelsFolder, 'mine.onnx'),
    })
  })

  it('an unknown one is missing, and the known ones are listed', async () => {
    for (const name of ['u3net', 'constructor', '']) {
      const error = await refusal(resolveModel(name, options))
      expect(error).toMatchObject({ code: 'MODEL_MISSING', message: `There is no model named "${name}".` })
      expect(error.hint).toContain('Known models: silhouette, backdrop, rmbg-2.0')
    }
  })
})

describe('a model by path', () => {
  it('without a description is taken to want ImageNet normalisation, to give alpha, and to fix its own size', async () => {
    const file = await model({}, redChannel)
    expect(await resolveModel(file, options)).toEqual({
      name: file.split('/').at(-1)!.replace('.onnx', ''),
      file,
      sha256: createHash('sha256')
        .update(await readFile(file))
        .digest('hex'),
      normalisation: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
      activation: 'none',
      unproven: true,
      license: 'unknown',
      notice: expect.stringMatching(
        /^\S+\.onnx is no model that rmbg knows, and there is no \S+\.json beside it: /,
      ),
    })
  })

  it('with a description needs no notice', async () => {
    const file = await model({}, redChannel)
    await describedBy(file, {})
    const spec = await resolveModel(file, options)
    expect(spec.unproven).toBe(true)
    expect(spec.notice).toBeUndefined()
  })

  it('is what the JSON file beside it says', async () => {
    const file = await model({}, redChannel)
    await describedBy(file, {
      inputSize: [6, 4],
      mean: [0.5, 0.5, 0.5],
      std: [1, 1, 1],
      activation: 'sigmoid',
      output: 'mask',
      outputChannel: 0,
      channelOrder: 'BGR',
      invert: true,
      resize: 'letterbox',
      padColor: [114, 114, 114],
      padPosition: 'top-left',
      license: 'Apache-2.0',
    })
    expect(await resolveModel(file, options)).toMatchObject({
      inputSize: { width: 6, height: 4 },
      normalisation: { mean: [0.5, 0.5, 0.5], std: [1, 1, 1] },
      activation: 'sigmoid',
      output: 'mask',
      outputChannel: 0,
      channelOrder: 'BGR',
      invert: true,
      letterbox: { padColor: [114, 114, 114], padPosition: 'top-left' },
      license: 'Apache-2.0',
    })
  })

  it.each([
    [{ inputsize: [6, 4] }, 'the key "inputsize" is not known.'],
    [
      { inputSize: [6] },
      '"inputSize" is wrong: expected two whole numbers from 1 to 16384, [width, height].',
    ],
    [
      { inputSize: [6, 4.5] },
      '"inputSize" is wrong: expected two whole numbers from 1 to 16384, [width, height].',
    ],
    [{ std: [1, 0, 1] }, '"std" is wrong: expected three numbers above 0, for R, G and B.'],
    [{ mean: 0.5 }, '"mean" is wrong: expected three numbers, for R, G and B.'],
    [{ activation: 'relu' }, '"activation" is wrong: expected "none" or "sigmoid" or "softmax".'],
    [{ activation: 'softmax' }, '"activation": "softmax" needs "outputChannel".'],
    [{ channelOrder: 'GBR' }, '"channelOrder" is wrong: expected "RGB" or "BGR".'],
    [{ outputChannel: -1 }, '"outputChannel" is wrong: expected the index of a channel, from 0.'],
    [{ invert: 'yes' }, '"invert" is wrong: expected true or false.'],
    [{ resize: 'crop' }, '"resize" is wrong: expected "stretch" or "letterbox".'],
    [{ padColor: [0, 0, 0] }, '"padColor" has no effect without "resize": "letterbox".'],
    [
      { padPosition: 'center', resize: 'stretch' },
      '"padPosition" has no effect without "resize": "letterbox".',
    ],
    [
      { mean: [128, 128, 128], std: [256, 256, 256] },
      '"mean" and "std" are applied to values of 0..1, but these are for 0..255.',
    ],
    [{ std: [255, 255, 255] }, '"mean" and "std" are applied to values of 0..1, but these are for 0..255.'],
    ['{', 'not valid JSON.'],
    ['[]', 'expected a JSON object.'],
  ])('a description of %j is refused in a sentence naming file and key', async (description, message) => {
    const file = await model({}, redChannel)
    const json = await describedBy(file, description)
    const error = await refusal(resolveModel(file, options))
    expect(error).toMatchObject({ code: 'MODEL_INVALID', message: `${json}: ${message}` })
  })

  it('whose normalization is for bytes is refused with what was meant', async () => {
    const file = await model({}, redChannel)
    await describedBy(file, { mean: [128, 128, 128], std: [256, 256, 256] })
    expect((await refusal(resolveModel(file, options))).hint).toBe(
      'Divide them by 255: "mean": [0.50196, 0.50196, 0.50196], "std": [1.00392, 1.00392, 1.00392].',
    )
  })

  describe('that is a known model', () => {
    const known = fetchableModels['isnet-general-use']!
    const { fp32 } = known.variants
    /** Stands for a genuine file: its digest is what the registry states. */
    async function genuine(): Promise<string> {
      const file = await model({ input: [1, 3, 1024, 1024], output: [1, 1, 1024, 1024] }, redChannel)
      known.variants.fp32 = { ...fp32!, sha256: sha256Of(await readFile(file)) }
      return file
    }
    afterEach(() => {
      known.variants.fp32 = fp32!
    })

    it('has its name and its settings, and needs neither trial nor notice', async () => {
      const file = await genuine()
      const spec = await resolveModel(file, options)
      expect(spec).toEqual({
        name: 'isnet-general-use',
        variant: 'fp32',
        file,
        sha256: known.variants.fp32!.sha256,
        inputSize: { width: 1024, height: 1024 },
        normalisation: { mean: [0.5, 0.5, 0.5], std: [1, 1, 1] },
        activation: 'none',
        license: 'Apache-2.0',
      })
    })

    it('has what the JSON file beside it states instead', async () => {
      const file = await genuine()
      await describedBy(file, { activation: 'sigmoid' })
      expect(await resolveModel(file, options)).toMatchObject({
        name: 'isnet-general-use',
        normalisation: { mean: [0.5, 0.5, 0.5], std: [1, 1, 1] },
        activation: 'sigmoid',
      })
    })
  })

  it('that does not exist is missing', async () => {
    const file = join(modelFolder, 'nowhere', 'absent.onnx')
    const error = await refusal(resolveModel(file, options))
    expect(error).toMatchObject({ code: 'MODEL_MISSING', message: `There is no model file ${file}.` })
    expect(error.hint).toContain('backdrop')
  })

  it('that is a folder or no .onnx file cannot be used', async () => {
    const folder = join(modelFolder, 'folder.onnx')
    await mkdir(folder)
    expect(await refusal(resolveModel(folder, options))).toMatchObject({
      code: 'MODEL_INVALID',
      message: `${folder} is not a file.`,
    })
    const weights = join(modelFolder, 'weights.pth')
    await writeFile(weights, 'x')
    expect((await refusal(resolveModel(weights, options))).message).toBe(`${weights} does not end in .onnx.`)
  })
})
