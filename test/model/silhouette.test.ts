/** The learned model in the package, on pictures it has never seen. */
import { stat } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { MatteModel } from '../../src/model/contract.ts'
import { openModel } from '../../src/model/session.ts'
import { builtinDefault, builtinModels, resolveModel } from '../../src/model/shelf/registry.ts'
import { picture } from '../support/images.ts'
import { compare, empty, render, studio } from './studio.ts'

const size = 384
let model: MatteModel
beforeAll(async () => {
  model = await openModel(await resolveModel('silhouette', { modelsFolder: '/nowhere' }), { threads: 2 })
})
afterAll(() => model.close())

it('is what auto falls back to, and small', async () => {
  expect(builtinDefault).toBe('silhouette')
  expect((await stat(builtinModels.silhouette!.file)).size).toBeLessThan(5_000_000)
  expect(model.inputSize).toEqual({ width: size, height: size })
})

describe('finds the subject of a studio shot', () => {
  /** Floors a little under what was measured. */
  const floors: Record<string, number> = {
    'a green mug on a grey gradient with a soft shadow': 0.88,
    // The gaps between its thin bars are in part taken for the chair.
    'a chair with thin legs': 0.6,
  }
  it.each(Object.entries(studio))('%s', async (name, shot) => {
    const { rgb, alpha } = await render(shot, size)
    const { iou } = compare((await model.predict(rgb)).alpha, alpha)
    expect(iou).toBeGreaterThan(floors[name] ?? 0.95)
  })
})

it.each(Object.entries(empty))('finds hardly anything on %s', async (_, shot) => {
  const { rgb } = await render(shot, size)
  const { alpha } = await model.predict(rgb)
  expect(alpha.filter((value) => value > 0.5).length).toBeLessThan(alpha.length / 50)
})

it('finds the subject of drawings', async () => {
  let low = 1
  let high = 0
  for (let seed = 0; seed < 40; seed++) {
    const rgb = await picture(seed).resize(size, size, { fit: 'fill' }).raw().toBuffer()
    const { alpha } = await model.predict(new Uint8Array(rgb))
    low = Math.min(low, alpha[(size / 2) * size + size / 2]!)
    high = Math.max(high, alpha[5 * size + 5]!)
  }
  expect(low).toBeGreaterThan(0.9)
  expect(high).toBeLessThan(0.1)
})
