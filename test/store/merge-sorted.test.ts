import { expect, it } from 'vitest'
import { mergeSorted } from '../../src/store/merge-sorted.ts'

const stream = (values: string[], onClose = () => {}) => ({
  items: (async function* () {
    try {
      yield* values
    } finally {
      onClose()
    }
  })(),
  keyOf: (value: string) => value[0]!,
})

it('goes through every key once, with what each stream has of it', async () => {
  const steps: unknown[] = []
  for await (const step of mergeSorted<[string, string, string]>(
    stream(['a1', 'b1', 'b2', 'd1']),
    stream(['b3', 'c1']),
    stream([]),
  ))
    steps.push(step)
  expect(steps).toEqual([
    { key: 'a', items: [['a1'], [], []] },
    { key: 'b', items: [['b1', 'b2'], ['b3'], []] },
    { key: 'c', items: [[], ['c1'], []] },
    { key: 'd', items: [['d1'], [], []] },
  ])
})

it('closes every stream when it is left early', async () => {
  let closed = 0
  const onClose = () => {
    closed++
  }
  for await (const _ of mergeSorted<[string, string]>(stream(['a', 'b'], onClose), stream(['c'], onClose)))
    break
  expect(closed).toBe(2)
})
