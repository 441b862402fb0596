import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { MatteModel } from '../../src/model/contract.ts'
import { openModel } from '../../src/model/session.ts'
import { builtinModels, resolveModel } from '../../src/model/shelf/registry.ts'
import { backdropModel, size } from '../../training/backdrop.ts'
import { compare, empty, render, studio, whiteOnWhite } from '../model/studio.ts'
import { picture } from '../support/images.ts'
import { isLong } from '../support/long-mode.ts'

let model: MatteModel
beforeAll(async () => {
  model = await openModel(await resolveModel('backdrop', { modelsFolder: '/nowhere' }), { threads: 2 })
})
afterAll(() => model.close())

it('is what its script writes, byte for byte, and small', async () => {
  const shipped = await readFile(builtinModels.backdrop!.file)
  expect(shipped.equals(backdropModel())).toBe(true)
  expect(shipped.byteLength).toBeLessThan(100_000)
})

/** Each shot takes seconds and this model is not the default: outside of long mode, the hardest ones only. */
const some = <T>(shots: Record<string, T>, ...names: string[]): [name: string, T][] =>
  Object.entries(shots).filter(([name]) => isLong || names.includes(name))

describe('finds the subject of a studio shot', () => {
  /**
   * Floors a little under what was measured (0.99 and 0.003 for most). The handle's opening on the grey gradient
   * lies in shadow and stays filled, and the chair's bars are three pixels wide: both cost area.
   */
  const floors: Record<string, { iou: number; mae: number }> = {
    'a green mug on a grey gradient with a soft shadow': { iou: 0.88, mae: 0.02 },
    'a chair with thin legs': { iou: 0.95, mae: 0.012 },
  }
  it.each(some(studio, 'a noisy, hard-pressed JPEG', 'a chair with thin legs'))('%s', async (name, shot) => {
    const { rgb, alpha } = await render(shot, size)
    const { iou, mae } = compare((await model.predict(rgb)).alpha, alpha)
    const floor = floors[name] ?? { iou: 0.98, mae: 0.004 }
    expect(iou).toBeGreaterThan(floor.iou)
    expect(mae).toBeLessThan(floor.mae)
  })

  // Known limit: where shading takes the outline through the backdrop's own color, the flood gets in.
  it.fails('white on white', async () => {
    const { rgb, alpha } = await render(whiteOnWhite, size)
    expect(compare((await model.predict(rgb)).alpha, alpha).iou).toBeGreaterThan(0.9)
  })
})

it('gives edges the softness they have', async () => {
  const { rgb, alpha } = await render(studio['a bottle on blue with a label as blue as the backdrop']!, size)
  const matte = await model.predict(rgb)
  // Where the truth is soft the matte follows it, rather than cutting at a threshold (which would err by 0.25).
  const soft = [...alpha.keys()].filter((i) => alpha[i]! > 0.1 && alpha[i]! < 0.9)
  const error = soft.reduce((sum, i) => sum + Math.abs(matte.alpha[i]! - alpha[i]!), 0) / soft.length
  expect(soft.length).toBeGreaterThan(200)
  expect(error).toBeLessThan(0.1)
})

describe('finds nothing where there is nothing', () => {
  it.each(some(empty, 'a graded backdrop'))('%s', async (_, shot) => {
    const { rgb } = await render(shot, size)
    const { alpha } = await model.predict(rgb)
    // Not one visible pixel in a thousand, and no noise blown up.
    expect(alpha.filter((value) => value > 0.02).length).toBeLessThan(alpha.length / 1000)
  })
})

it('copes with drawings, whose backdrop has no noise at all', async () => {
  for (let seed = 0; seed < (isLong ? 40 : 4); seed++) {
    const rgb = await picture(seed).resize(size, size, { fit: 'fill' }).raw().toBuffer()
    const { alpha } = await model.predict(new Uint8Array(rgb))
    expect(alpha[(size / 2) * size + size / 2], `picture ${seed}`).toBeGreaterThan(0.95)
    expect(alpha[5 * size + 5], `picture ${seed}`).toBeLessThan(0.05)
  }
})
