/** Weights that an ONNX model keeps in other files are part of its identity. */
import { createHash } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import onnxProto from 'onnx-proto'
import { describe, expect, it } from 'vitest'
import { openModel } from '../../../src/model/session.ts'
import { externalData } from '../../../src/model/shelf/external-data.ts'
import { pullModel } from '../../../src/model/shelf/pull.ts'
import { resolveModel } from '../../../src/model/shelf/registry.ts'
import { createGraph } from '../../../training/graph.ts'
import { temporaryFolder } from '../../support/cli.ts'
import { redChannel, saveModel } from '../graphs.ts'

const { onnx } = onnxProto
const external = onnx.TensorProto.DataLocation.EXTERNAL

const sha256 = (data: string | Uint8Array) => createHash('sha256').update(data).digest('hex')
const entries = (values: Record<string, string>) =>
  Object.entries(values).map(([key, value]) => ({ key, value }))

/** The red channel times a number that lies in another file. */
async function modelWithFactor(factor: number, location = 'weights.bin'): Promise<string> {
  const graph = createGraph('test')
  const image = graph.input('image', [1, 3, 4, 6])
  graph.output('mask', graph.op('Mul', [redChannel(graph, image), graph.constant([factor])]), [1, 1, 4, 6])
  const proto = onnx.ModelProto.decode(graph.toBytes())
  for (const tensor of proto.graph!.initializer!) {
    if (!tensor.floatData?.length) continue
    tensor.floatData = []
    tensor.dataLocation = external
    tensor.externalData = entries({ location, offset: '0', length: '4' })
  }
  const folder = await temporaryFolder()
  const file = join(folder, 'model.onnx')
  await writeFile(file, onnx.ModelProto.encode(proto).finish())
  await writeFactor(join(folder, 'weights.bin'), factor)
  return file
}
const writeFactor = (path: string, factor: number) =>
  writeFile(path, new Uint8Array(new Float32Array([factor]).buffer))

const options = { modelsFolder: '/nowhere' }

describe('a model with weights in another file', () => {
  it('is another model when those change', async () => {
    const file = await modelWithFactor(0.5)
    const weights = join(file, '../weights.bin')
    const mask = async () => {
      const spec = await resolveModel(file, options)
      const opened = await openModel({ ...spec, normalisation: { mean: [0, 0, 0], std: [1, 1, 1] } })
      const { alpha } = await opened.predict(new Uint8Array(4 * 6 * 3).fill(255))
      await opened.close()
      return { sha256: spec.sha256, alpha: alpha[0] }
    }
    const before = await mask()
    expect(before.alpha).toBe(0.5)
    expect(await mask()).toEqual(before)
    await writeFactor(weights, 0.25)
    const after = await mask()
    expect(after.alpha).toBe(0.25)
    expect(after.sha256).not.toBe(before.sha256)
    await writeFactor(weights, 0.5)
    expect(await mask()).toEqual(before)
  })

  it('has a digest that anybody can compute', async () => {
    const file = await modelWithFactor(0.5)
    const graph = sha256(await readFile(file))
    const weights = sha256(await readFile(join(file, '../weights.bin')))
    expect((await resolveModel(file, options)).sha256).toBe(sha256(`${graph}\n${weights}  weights.bin`))
  })

  it('cannot be used without them', async () => {
    const absent = await modelWithFactor(0.5, 'absent.bin')
    await expect(resolveModel(absent, options)).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      message: `${absent} keeps its weights in ${join(absent, '../absent.bin')}, which cannot be read (ENOENT).`,
    })
    const folder = await modelWithFactor(0.5, 'folder')
    await mkdir(join(folder, '../folder'))
    await expect(resolveModel(folder, options)).rejects.toMatchObject({ code: 'MODEL_INVALID' })
    await expect(resolveModel(await modelWithFactor(0.5, '/dev/zero'), options)).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      message: expect.stringContaining('/dev/zero, which cannot be read (it is no file).'),
    })
  })

  it('is not installed, because only its own file would be', async () => {
    const modelsFolder = await temporaryFolder()
    const from = await modelWithFactor(0.5)
    await expect(
      pullModel('rmbg-2.0:int8', {
        ...{ modelsFolder, from, endpoint: '' },
        acceptsLicense: async () => true,
        tryIt: async () => {},
      }),
    ).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      message: `${from} keeps its weights in other files (weights.bin).`,
    })
    await expect(resolveModel('rmbg-2.0:int8', { modelsFolder })).rejects.toMatchObject({
      code: 'MODEL_MISSING',
    })
  })
})

describe('weights in other files', () => {
  const varint = (value: number): number[] =>
    value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))]
  const field = (number: number, content: Uint8Array | string): Buffer => {
    const bytes = Buffer.from(content)
    return Buffer.concat([Buffer.from([...varint(number * 8 + 2), ...varint(bytes.length)]), bytes])
  }
  const within = (content: Uint8Array, path: readonly number[]): Buffer =>
    path.reduceRight<Buffer>((inner, number) => field(number, inner), Buffer.from(content))
  const tensor = (location: string, dataLocation: number = external) =>
    Buffer.from(
      onnx.TensorProto.encode({
        name: 'w',
        dims: [1],
        dataLocation,
        externalData: entries({ offset: '0', location, length: '4' }),
      }).finish(),
    )
  const found = async (bytes: Uint8Array) => externalData(await saveModel(bytes))

  it.each([
    ['an initializer', [7, 5]],
    ['values of a sparse initializer', [7, 15, 1]],
    ['places of a sparse initializer', [7, 15, 2]],
    ['a constant', [7, 1, 5, 5]],
    ['a list of constants', [7, 1, 5, 10]],
    ['a sparse constant', [7, 1, 5, 22, 1]],
    ['a list of sparse constants', [7, 1, 5, 23, 1]],
    ['a branch', [7, 1, 5, 6, 5]],
    ['a branch of a branch', [7, 1, 5, 11, 1, 5, 6, 5]],
    ['a function', [25, 7, 5, 5]],
    ['a default of a function', [25, 11, 5]],
    ['the start of training', [20, 1, 5]],
    ['a step of training', [20, 2, 1, 5, 5]],
  ])('are found in %s', async (_, path) => {
    expect(await found(within(tensor('a.bin'), path))).toEqual(['a.bin'])
  })

  it('are named once and in order', async () => {
    const tensors = ['b.bin', 'a.bin', 'b.bin', 'unused.bin'].map((location) =>
      field(5, tensor(location, location === 'unused.bin' ? 0 : external)),
    )
    expect(await found(field(7, Buffer.concat(tensors)))).toEqual(['a.bin', 'b.bin'])
  })

  it('are found behind weights that the model holds itself, and beside fields of every kind', async () => {
    const large = onnx.TensorProto.encode({
      rawData: new Uint8Array(300_000).fill(7),
      name: 'large',
    }).finish()
    const others = Buffer.from([
      0x09, 1, 2, 3, 4, 5, 6, 7, 8, 0x15, 1, 2, 3, 4, 0x18, 0xff, 0xff, 0xff, 0xff, 0x7f,
    ])
    const graph = Buffer.concat([others, field(5, large), others, field(5, tensor('a.bin')), others])
    expect(await found(Buffer.concat([others, field(7, graph)]))).toEqual(['a.bin'])
  })

  it('are none in a file that is no model, whatever it claims', async () => {
    const model = within(tensor('a.bin'), [7, 5])
    const deep = within(tensor('a.bin'), [7, ...Array(400).fill([1, 5, 6]).flat(), 5])
    const files = ['', 'no model at all', '\xff'.repeat(100), model.subarray(0, -1), deep].map((content) =>
      Buffer.from(content as string, 'latin1'),
    )
    for (const bytes of files) expect(await found(bytes)).toEqual([])
    for (let length = 0; length < model.length; length++) await found(model.subarray(0, length))
  })
})
