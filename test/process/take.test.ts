import { setImmediate as turn } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { take } from '../../src/process/take.ts'

const never = new AbortController().signal

/** Numbers from 0, and how many were asked for. */
function numbers(end = Number.POSITIVE_INFINITY) {
  const asked = { count: 0 }
  const items = (async function* () {
    for (let number = 0; number < end; number++) {
      asked.count++
      yield number
    }
  })()
  return { items, asked }
}

it('works on every item once, no more at a time than allowed, in their order', async () => {
  const begun: number[] = []
  let inWork = 0
  let most = 0
  await take(numbers(50).items, { concurrency: 3, signal: never }, async (item) => {
    begun.push(item)
    most = Math.max(most, ++inWork)
    await turn()
    inWork--
  })
  expect(begun).toEqual(Array.from({ length: 50 }, (_, index) => index))
  expect(most).toBe(3)
})

it('looks one item ahead for each slot, however many there are', async () => {
  const { items, asked } = numbers()
  const stop = new AbortController()
  const finish: (() => void)[] = []
  const taking = take(
    items,
    { concurrency: 2, signal: stop.signal },
    () => new Promise((end) => finish.push(end)),
  )
  for (let round = 0; round < 20; round++) await turn()
  expect(asked.count).toBe(4)
  stop.abort()
  for (const end of finish) end()
  await taking
  expect(finish, 'what waited for a slot was not begun').toHaveLength(2)
})

it('takes nothing after an error, finishes what is in work, and throws the first', async () => {
  const begun: number[] = []
  const finished: number[] = []
  const taking = take(numbers().items, { concurrency: 2, signal: never }, async (item) => {
    begun.push(item)
    await turn()
    if (item === 3) throw new Error('first')
    await turn()
    if (item === 4) throw new Error('second')
    finished.push(item)
  })
  await expect(taking).rejects.toThrow('first')
  expect(Math.max(...begun)).toBeLessThanOrEqual(4)
  expect(finished).toEqual(begun.filter((item) => item < 3))
})

it('throws what its items throw, when nothing is in work any more', async () => {
  let isDone = false
  const items = (async function* () {
    yield 1
    throw new Error('no more items')
  })()
  const taking = take(items, { concurrency: 2, signal: never }, async () => {
    await turn()
    isDone = true
  })
  await expect(taking).rejects.toThrow('no more items')
  expect(isDone).toBe(true)
})
