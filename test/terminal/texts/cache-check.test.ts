import { expect, it } from 'vitest'
import type { CacheMemory } from '../../../src/cache/contract.ts'
import { judgeBy } from '../../../src/database/health/thresholds.ts'
import { cacheCheck } from '../../../src/terminal/texts/cache-check.ts'

const judge = judgeBy([])
const memory: CacheMemory = { used: 1e8, most: 2e9, policy: 'volatile-lru', ofMachine: 16e9 }
const of = (changes: Partial<CacheMemory>) =>
  cacheCheck({ state: 'up', hits: 9, misses: 1, memory: { ...memory, ...changes } }, judge)[0]!

it('no cache is no check', () => {
  expect(cacheCheck(undefined, judge)).toEqual([])
})

it('a Redis that is down is a warning, with a metric', () => {
  expect(cacheCheck({ state: 'down', reason: 'ECONNREFUSED' }, judge)).toMatchObject([
    {
      ...{ name: 'redis-cache', level: 'warn', summary: /not used: ECONNREFUSED/ },
      metrics: [{ name: 'rmbg_cache_up', value: 0 }],
    },
  ])
})

it('one with a limit that fits is fine, and one that may not be asked as well', () => {
  expect(of({})).toMatchObject({ level: 'ok', summary: '9 of 10 answers came from the cache (90%).' })
  const unasked = cacheCheck({ state: 'up', hits: 0, misses: 0, memory: undefined }, judge)
  expect(unasked).toMatchObject([{ level: 'ok' }])
})

it.each<[string, Partial<CacheMemory>, RegExp]>([
  ['without a limit', { most: 0 }, /no maxmemory.*maxmemory 1907mb, maxmemory-policy volatile-lru/],
  ['without a limit on a small machine', { most: 0, ofMachine: 2 ** 30 }, /maxmemory 256mb/],
  ['that may fill its machine', { most: 15e9 }, /maxmemory is 15 GB of the 16 GB/],
  ['that refuses when it is full', { policy: 'noeviction' }, /noeviction/],
  ['that is full', { used: 1.9e9 }, /uses 1.9 GB of 2.0 GB/],
])('one %s is a warning', (_, changes, detail) => {
  expect(of(changes)).toMatchObject({ level: 'warn', details: [expect.stringMatching(detail)] })
})
