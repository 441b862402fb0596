import { expect, it } from 'vitest'
import { RmbgError } from '../../src/errors.ts'
import { watchOutages } from '../../src/fleet/outage.ts'

const away = new RmbgError('STORE_UNAVAILABLE', 'The object store is away.')

function watched(answers: boolean[]) {
  const told: string[] = []
  const stop = new AbortController()
  const outage = watchOutages({
    ...{ signal: stop.signal, pauseMs: 1 },
    probe: async () => {
      told.push('probe')
      if (!(answers.shift() ?? true)) throw away
    },
    recover: async () => void told.push('recover'),
    onAway: () => told.push('away'),
    onBack: () => told.push('back'),
  })
  return { told, stop, outage }
}

it('an outage is told of once, probed until it is over, and recovered from before anybody goes on', async () => {
  const { outage, told } = watched([false, false, true])
  outage.report(away)
  outage.report(away)
  await Promise.all([outage.over(), outage.over()])
  expect(told).toEqual(['away', 'probe', 'probe', 'probe', 'recover', 'back'])
  expect(outage.isWaiting()).toBe(false)
})

it('what is under way ends before anything is tried', async () => {
  const { outage, told } = watched([])
  let end = () => {}
  const working = outage.during(() => new Promise<void>((resolve) => (end = resolve)))
  outage.report(away)
  const over = outage.over()
  expect(told).toEqual(['away'])
  end()
  await Promise.all([working, over])
  expect(told).toEqual(['away', 'probe', 'recover', 'back'])
})

it('whoever is stopped waits no longer', async () => {
  const { outage, stop } = watched(Array.from({ length: 1000 }, () => false))
  outage.report(away)
  const over = outage.over()
  stop.abort()
  await over
})

it('errors of images and models are none', () => {
  const { outage } = watched([])
  expect(outage.is(away)).toBe(true)
  expect(outage.is(new RmbgError('DATABASE_UNAVAILABLE', ''))).toBe(true)
  expect(outage.is(new RmbgError('INPUT_CORRUPT', ''))).toBe(false)
  expect(outage.is(new RmbgError('MODEL_MISSING', ''))).toBe(false)
  expect(outage.is(new TypeError('a defect'))).toBe(false)
})
