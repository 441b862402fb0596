import { createHash } from 'node:crypto'
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { RmbgError } from '../../../src/errors.ts'
import { openModel } from '../../../src/model/session.ts'
import { builtinModels, resolveModel } from '../../../src/model/shelf/registry.ts'
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
      license: 'unknown',
    })
  })

  it('is what the JSON file beside it says', async () => {
    const file = await model({}, redChannel)
    await describedBy(file, {
      inputSize: [6, 4],
      mean: [0.5, 0.5, 0.5],
      std: [1, 1, 1],
      activation: 'sigmoid',
      output: 'mask',
      license: 'Apache-2.0',
    })
    expect(await resolveModel(file, options)).toMatchObject({
      inputSize: { width: 6, height: 4 },
      normalisation: { mean: [0.5, 0.5, 0.5], std: [1, 1, 1] },
      activation: 'sigmoid',
      output: 'mask',
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
    [{ activation: 'softmax' }, '"activation" is wrong: expected "none" or "sigmoid".'],
    ['{', 'not valid JSON.'],
    ['[]', 'expected a JSON object.'],
  ])('a description of %j is refused in a sentence naming file and key', async (description, message) => {
    const file = await model({}, redChannel)
    const json = await describedBy(file, description)
    const error = await refusal(resolveModel(file, options))
    expect(error).toMatchObject({ code: 'MODEL_INVALID', message: `${json}: ${message}` })
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
