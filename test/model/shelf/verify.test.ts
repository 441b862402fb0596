import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { compareWithPublished } from '../../../src/model/expected.ts'
import { builtinModels, resolveModel } from '../../../src/model/shelf/registry.ts'
import { tryVerified, type VerifiedModel, verifyModels } from '../../../src/model/shelf/verify.ts'
import { trialText } from '../../../src/terminal/texts/trial.ts'
import { temporaryFolder } from '../../support/cli.ts'
import { model, redChannel } from '../graphs.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

/** An installation in which one bit of the model's file is wrong, and its size is right. */
async function damage(name: string): Promise<void> {
  const shipped = builtinModels[name]!
  const bytes = await readFile(shipped.file)
  bytes[bytes.length >> 1]! ^= 1
  const file = join(await temporaryFolder(), `${name}.onnx`)
  await writeFile(file, bytes)
  vi.spyOn(builtinModels, name, 'get').mockReturnValue({ ...shipped, file: pathToFileURL(file) })
}

describe.each(Object.keys(builtinModels))('the built-in model %s', (name) => {
  const modelsFolder = '/nowhere'

  it('is intact as it ships', async () => {
    expect(await verifyModels(modelsFolder, name)).toMatchObject([{ name, state: 'intact' }])
  })

  it('is held to its digest, not only to its size', async () => {
    await damage(name)
    expect(await verifyModels(modelsFolder, name)).toMatchObject([{ name, state: 'damaged' }])
  })

  it('is not used when it is damaged', async () => {
    await damage(name)
    await expect(resolveModel(name, { modelsFolder })).rejects.toMatchObject({
      code: 'MODEL_DAMAGED',
      message: expect.stringContaining(`${name}.onnx`),
    })
  })
})

describe('a model that is tried', () => {
  const options = { modelsFolder: '', threads: 1, device: 'cpu' as const }
  // Graphs are prepared in it.
  beforeAll(async () => {
    options.modelsFolder = await mkdtemp(join(tmpdir(), 'rmbg-models-'))
  })
  afterAll(() => rm(options.modelsFolder, { recursive: true }))
  const only = async (name: string): Promise<VerifiedModel> => {
    const [verified] = await verifyModels(options.modelsFolder, name)
    if (!verified) throw new Error('Nothing was verified')
    return verified
  }

  it.each(Object.keys(builtinModels))('%s gives the published masks', async (name) => {
    const tried = await tryVerified(await only(name), options)
    expect(tried).toMatchObject({ comparison: { state: 'as-expected' } })
    expect(trialText(tried)).toMatch(/bottle: found, IoU 0\.\d+ with the exact mask\n/)
  })

  it('can be given by its path, and says that nothing is known of it', async () => {
    const file = await model({ input: [1, 3, 64, 64], output: [1, 1, 64, 64] }, (graph, image) =>
      graph.op('Sub', [graph.constant(1), redChannel(graph, image)]),
    )
    const verified = await only(file)
    expect(verified).toMatchObject({ file, state: 'unknown', origin: 'file' })
    const tried = await tryVerified(verified, options)
    expect(tried).toMatchObject({ comparison: { state: 'nothing-known' } })
    expect(trialText(tried)).toContain('There are no published figures of this file.')
  })

  it('says why it fails', async () => {
    const file = await model({}, (graph, image) =>
      graph.op('Mul', [redChannel(graph, image), graph.constant(0)]),
    )
    const tried = await tryVerified(await only(file), options)
    expect(tried).toEqual({ problem: expect.stringContaining('every mask is empty') })
    expect(trialText(tried)).toContain('every mask is empty')
  })
})

describe('the published figures', () => {
  const statistics = { min: 0, max: 1, mean: 0.181047, standardDeviation: 0.381019 }
  const trial = (mean: number) => ({
    sha256: builtinModels.silhouette!.sha256,
    pictures: [
      {
        picture: 'bottle' as const,
        verdict: 'found' as const,
        iou: 1,
        seconds: 1,
        input: statistics,
        output: statistics,
        alpha: { ...statistics, mean },
      },
    ],
  })

  it('differ from masks that are off by more than precision explains', () => {
    expect(compareWithPublished(trial(0.183))).toEqual({ state: 'as-expected' })
    expect(compareWithPublished(trial(0.2))).toEqual({ state: 'differs', pictures: ['bottle'] })
  })
})
