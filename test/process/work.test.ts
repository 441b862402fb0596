/** What a job's fingerprint says of the model: whatever changes a mask is part of it, and nothing else. */
import { expect, it } from 'vitest'
import type { ModelSpec } from '../../src/model/contract.ts'
import { modelParameters, workOf } from '../../src/process/work.ts'

const spec: ModelSpec = {
  name: 'mine',
  file: '/models/mine.onnx',
  sha256: '0'.repeat(64),
  normalisation: { mean: [0, 0, 0], std: [1, 1, 1] },
  activation: 'none',
  license: 'MIT',
}
const fingerprintOf = (overrides: Partial<ModelSpec>) =>
  workOf({ model: modelParameters({ ...spec, ...overrides }) }).fingerprint

it.each<Partial<ModelSpec>>([
  { sha256: '1'.repeat(64) },
  { inputSize: { width: 8, height: 8 } },
  { normalisation: { mean: [0, 0, 0], std: [2, 2, 2] } },
  { activation: 'sigmoid' },
  { channelOrder: 'BGR' },
  { letterbox: { padColor: [0, 0, 0], padPosition: 'center' } },
  { output: 'mask' },
  { outputChannel: 0 },
  { invert: true },
  { guided: true },
])('%j makes another result', (overrides) => {
  expect(fingerprintOf(overrides)).not.toBe(fingerprintOf({}))
})

it('where the file lies and what is told of it does not', () => {
  expect(fingerprintOf({ file: '/elsewhere.onnx', license: 'x', notice: 'x', unproven: true })).toBe(
    fingerprintOf({}),
  )
})

it('a model that states nothing new has the fingerprint it always had', () => {
  expect(modelParameters(spec)).toEqual({
    name: 'mine',
    sha256: spec.sha256,
    normalisation: spec.normalisation,
    activation: 'none',
  })
})
