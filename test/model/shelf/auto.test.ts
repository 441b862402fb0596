/** Which model `auto` takes, and what `model list` shows of a models folder. */
import { mkdir, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { autoOrder, bestInstalled } from '../../../src/model/shelf/auto.ts'
import { modelPaths } from '../../../src/model/shelf/installed.ts'
import { fetchableModels } from '../../../src/model/shelf/known.ts'
import { listModels } from '../../../src/model/shelf/list.ts'
import { resolveModel } from '../../../src/model/shelf/registry.ts'
import { modelListText } from '../../../src/terminal/texts/model-text.ts'
import { temporaryFolder } from '../../support/cli.ts'

async function install(modelsFolder: string, name: string, variant: string, license = 'L'): Promise<void> {
  const { file, origin } = modelPaths(modelsFolder, name, variant)
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, 'weights')
  const { size, mtimeMs } = await stat(file)
  const record = {
    source: 'here',
    size,
    mtimeMs,
    sha256: '0'.repeat(64),
    pinned: false,
    license: { name: license },
  }
  await writeFile(origin, JSON.stringify(record))
}

describe('auto', () => {
  it('takes the best that is installed, in the stated order, and says why', async () => {
    const modelsFolder = await temporaryFolder()
    expect(await bestInstalled(modelsFolder)).toBeUndefined()
    const builtin = await resolveModel('auto', { modelsFolder })
    expect(builtin).toMatchObject({
      name: 'silhouette',
      choice: { reason: 'no better one is installed', notInstalled: autoOrder },
      notice: expect.stringMatching(/rmbg setup --model isnet --yes/),
    })
    for (const name of autoOrder.toReversed()) {
      const variant = Object.keys(fetchableModels[name]!.variants).at(-1)!
      await install(modelsFolder, name, variant)
      const spec = await resolveModel('auto', { modelsFolder })
      expect(spec).toMatchObject({
        name,
        variant,
        choice: { notInstalled: autoOrder.slice(0, autoOrder.indexOf(name)) },
      })
      expect(spec.notice).toBeUndefined()
    }
    expect((await resolveModel('auto', { modelsFolder })).choice?.reason).toBe('the best there is')
    await install(modelsFolder, 'rmbg-2.0', 'fp16')
    expect(await bestInstalled(modelsFolder)).toMatchObject({ variant: 'fp16' })
  })

  it('knows every model that it orders, and leaves out the one that knows people only', () => {
    const others = Object.keys(fetchableModels).filter((name) => !autoOrder.some((each) => each === name))
    expect(others).toEqual(['modnet'])
  })
})

describe('the list of models', () => {
  it('shows what lies in the models folder', async () => {
    const modelsFolder = await temporaryFolder()
    await install(modelsFolder, 'isnet', 'small')
    await writeFile(join(modelsFolder, 'mine.onnx'), 'weights')
    await writeFile(join(modelsFolder, 'mine.json'), '{"license":"CC0-1.0"}')
    await writeFile(join(modelsFolder, 'backdrop.onnx'), 'hidden behind the built-in one')
    await mkdir(join(modelsFolder, 'deep/er.onnx'), { recursive: true })
    await writeFile(join(modelsFolder, 'deep/er.onnx/x.onnx'), 'weights')
    await writeFile(modelPaths(modelsFolder, 'isnet', 'medium').file.concat('.part'), 'half of it')
    const found = (await listModels(modelsFolder)).filter(({ state }) => state !== 'available')
    expect(found.map(({ name, state, size, license }) => [name, state, size, license])).toEqual([
      ['silhouette', 'built-in', expect.any(Number), 'MIT'],
      ['backdrop', 'built-in', expect.any(Number), 'MIT'],
      [join(modelsFolder, 'backdrop.onnx'), 'own', 30, 'unknown'],
      [join(modelsFolder, 'deep/er.onnx/x.onnx'), 'own', 7, 'unknown'],
      ['mine', 'own', 7, 'CC0-1.0'],
      ['isnet', 'unfinished', 10, expect.stringContaining('AGPL')],
      ['isnet:small', 'installed', 7, expect.stringContaining('AGPL')],
    ])
  })

  it('finds a file there by its bare name, also one that is named as a model that could be fetched', async () => {
    const modelsFolder = await temporaryFolder()
    await expect(resolveModel('isnet', { modelsFolder })).rejects.toMatchObject({ code: 'MODEL_MISSING' })
    const file = join(modelsFolder, 'isnet.onnx')
    await writeFile(file, 'weights')
    expect(await resolveModel('isnet', { modelsFolder })).toMatchObject({ name: 'isnet', file })
  })

  it('fits the width of the terminal', async () => {
    const models = await listModels(await temporaryFolder())
    for (const columns of [44, 60, 80, 100]) {
      const lines = modelListText(models, columns).split('\n')
      expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(columns)
    }
    const unlimited = modelListText(models, Number.POSITIVE_INFINITY)
    for (const { name, license } of models)
      expect(unlimited).toMatch(new RegExp(`^${name} .*${license.slice(0, 4)}`, 'm'))
  })
})
