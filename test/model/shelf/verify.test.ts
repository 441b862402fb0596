import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { builtinModels, resolveModel } from '../../../src/model/shelf/registry.ts'
import { verifyModels } from '../../../src/model/shelf/verify.ts'
import { temporaryFolder } from '../../support/cli.ts'

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
