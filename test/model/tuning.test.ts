/** What `rmbg model tune` chooses by, and where its results are kept and used. */
import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { preparedShelf } from '../../src/model/prepared/shelf.ts'
import { openModel } from '../../src/model/session.ts'
import { sha256OfModel } from '../../src/model/shelf/digest.ts'
import { listModels } from '../../src/model/shelf/list.ts'
import { choose, type Figures, type MeasuredCandidate } from '../../src/model/tuning/choose.ts'
import { forgetTuning, keepTuning, readTuning } from '../../src/model/tuning/kept.ts'
import { candidatesFor, usualTuning } from '../../src/model/tuning/options.ts'
import { tuningText } from '../../src/terminal/texts/tuning-text.ts'
import { model, modelFolder, plainSpec, redChannel } from './graphs.ts'

const figures: Figures = {
  loadCpuSeconds: 1,
  milliseconds: 100,
  cpuMilliseconds: 200,
  peakMb: 500,
  maskOff: 0,
}
const measured = (name: string, differing: Partial<Figures> = {}): MeasuredCandidate => ({
  name,
  tuning: usualTuning(2),
  ...figures,
  ...differing,
})

describe('a way to run a model is chosen', () => {
  const saving = measured('saving', { peakMb: 400, cpuMilliseconds: 215 })
  const dear = measured('dear', { peakMb: 200, cpuMilliseconds: 300, milliseconds: 150 })
  const quick = measured('quick', { milliseconds: 80, cpuMilliseconds: 260, peakMb: 510 })
  const all = [measured('usual'), saving, dear, quick]
  it('for low memory at nearly no cost in time', () => {
    const slower = all.filter(({ name }) => name !== 'quick')
    expect(choose(slower, 'balanced').candidate.name).toBe('saving')
  })
  it('for speed', () => {
    expect(choose(all, 'speed').candidate.name).toBe('quick')
  })
  it('for memory', () => {
    expect(choose(all, 'memory').candidate.name).toBe('dear')
  })
  it('as usual, where others are better by no more than noise', () => {
    const near = measured('near', { peakMb: 490, milliseconds: 99, cpuMilliseconds: 199 })
    for (const prefer of ['balanced', 'speed', 'memory'] as const) {
      expect(choose([measured('usual'), near], prefer).candidate.name).toBe('usual')
    }
  })
  it('among those that ran and give the same mask', () => {
    const failed = { name: 'failed', tuning: usualTuning(2), problem: 'It ended with 1.' }
    const other = measured('other', { peakMb: 100, maskOff: 2 })
    expect(choose([measured('usual'), failed, other], 'memory').candidate.name).toBe('usual')
  })
})

it('measures fewer threads only where there are more', () => {
  const names = (cores: number) => candidatesFor(cores).map(({ name }) => name)
  expect(names(1)).not.toContain('1 thread')
  expect(names(2).filter((name) => /thread(s)?$/.test(name))).toEqual(['1 thread', 'spinning threads'])
  expect(names(8)).toEqual(expect.arrayContaining(['usual', '4 threads', '1 thread']))
})

describe('a result', () => {
  const tuning = { ...usualTuning(1), blockedLayout: false }
  const chosen = {
    chosen: 'plain layout',
    reason: 'the peak of memory is the lowest',
    prefer: 'memory',
  } as const
  async function kept() {
    const folder = await mkdtemp(join(modelFolder, 'tuned-'))
    const file = join(folder, 'own.onnx')
    await writeFile(file, await readFile(await model({}, (graph, image) => redChannel(graph, image))))
    const sha256 = await sha256OfModel(file)
    const names = { model: 'own', file, sha256 }
    const result = await keepTuning(folder, { ...names, ...chosen, tuning, measured: [measured('usual')] })
    return { folder, file, sha256, result }
  }

  it('is used by whoever opens the model, and threads that are named go before it', async () => {
    const { folder, file, sha256 } = await kept()
    const prepared = async () =>
      (await readdir(join(folder, '.prepared', sha256))).filter((name) => name.endsWith('.json'))
    const open = async (modelsFolder: string, threads?: number) => {
      const opened = await openModel(plainSpec(file, { sha256 }), { device: 'cpu', modelsFolder, threads })
      await opened.close()
    }
    await open(folder)
    const [record] = await prepared()
    await open(folder, 1)
    expect(await prepared()).toEqual([record])
    // Its graph is another one than that of the usual way.
    await forgetTuning(folder, sha256)
    await open(folder)
    expect(await prepared()).toHaveLength(2)
  })

  it('is listed with its model, and shown with what was measured', async () => {
    const { folder, result } = await kept()
    const listed = (await listModels(folder)).find(({ name }) => name === 'own')
    expect(listed).toMatchObject({ state: 'own', tuned: { ...chosen, tuning } })
    expect(tuningText(result)).toMatch(/usual +1 +100 +200 +500 +0[\s\S]*own runs in the way "plain layout"/)
  })

  it('does not count for another release, processor or number of cores, and goes when a new one comes', async () => {
    const { folder, file, sha256, result } = await kept()
    const [record = ''] = await readdir(join(folder, '.tuned', sha256))
    const other = join(folder, '.tuned', sha256, `${'f'.repeat(64)}.json`)
    await writeFile(other, JSON.stringify({ ...result, cores: 1000 }))
    const elsewhere = join(folder, '.tuned', sha256, `${'e'.repeat(64)}.json`)
    await writeFile(elsewhere, JSON.stringify({ ...result, processor: 'another' }))
    expect((await readTuning(folder, sha256))?.cores).not.toBe(1000)
    await keepTuning(folder, { model: 'own', file, sha256, ...chosen, tuning, measured: [] })
    expect((await readdir(join(folder, '.tuned', sha256))).sort()).toEqual(
      [record, `${'e'.repeat(64)}.json`].sort(),
    )
  })

  it('leaves only the graph that is used', async () => {
    const { folder, sha256 } = await kept()
    const shelf = preparedShelf(folder, { sha256, output: undefined, blockedLayout: true })
    const temporary = await shelf.temporary()
    await writeFile(temporary, 'a graph')
    await shelf.keep(temporary, { inputs: [], outputs: [] })
    expect(await shelf.find()).toMatchObject({ file: expect.stringMatching(/[0-9a-f]{64}\.ort$/) })
    await shelf.discard()
    expect(await readdir(join(folder, '.prepared', sha256))).toEqual([])
  })

  it('is forgotten', async () => {
    const { folder, sha256 } = await kept()
    expect(await forgetTuning(folder, sha256)).toBe(true)
    expect(await readTuning(folder, sha256)).toBeUndefined()
    expect(await forgetTuning(folder, sha256)).toBe(false)
  })
})
