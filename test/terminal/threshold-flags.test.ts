/** Thresholds as people write them, and docs/database.md, which lists them. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { judgeBy, type ThresholdName, thresholds } from '../../src/database/health/thresholds.ts'
import { parseThreshold } from '../../src/terminal/threshold-flags.ts'
import { root } from '../support/cli.ts'

it.each<[string, ThresholdName, number]>([
  ['connections=90%', 'connections', 90],
  ['connections=90', 'connections', 90],
  ['query=10m', 'query', 600],
  ['query=2.5', 'query', 2.5],
  ['slot-wal=5GB', 'slot-wal', 5e9],
  ['queue=500000', 'queue', 500_000],
  ['bloat=off', 'bloat', Number.POSITIVE_INFINITY],
  ['cache-hits=off', 'cache-hits', Number.NEGATIVE_INFINITY],
])('%s', (given, name, value) => {
  expect(parseThreshold('warn', given)).toEqual({ name, level: 'warn', value })
})

it.each([
  ['connexions=90%', /there is no threshold "connexions"/],
  ['connections', /--warn expects NAME=VALUE/],
  ['connections=', /--warn expects NAME=VALUE/],
  ['connections=5m', /--warn expects connections=90%/],
  ['query=90%', /--warn expects query=10m/],
  ['slot-wal=much', /--warn expects slot-wal=5GB/],
  ['queue=1.5', /--warn expects queue=1000000/],
])('%s is refused', (given, sentence) => {
  expect(() => parseThreshold('warn', given)).toThrow(sentence)
})

it('a level is that of the figure, or of the threshold that was moved last', () => {
  const usual = judgeBy([])
  expect([79, 80, 95].map((share) => usual('connections', share))).toEqual(['ok', 'warn', 'crit'])
  expect([99, 98.9, 89].map((share) => usual('cache-hits', share))).toEqual(['ok', 'warn', 'crit'])
  const moved = judgeBy(['connections=10%', 'connections=off'].map((text) => parseThreshold('warn', text)))
  expect([90, 95].map((share) => moved('connections', share))).toEqual(['ok', 'crit'])
  const off = judgeBy((['warn', 'crit'] as const).map((level) => parseThreshold(level, 'disk-free=off')))
  expect(off('disk-free', 0)).toBe('ok')
})

it('the documentation lists every threshold with its defaults', async () => {
  const page = await readFile(join(root, 'docs/database.md'), 'utf8')
  const listed = [...page.matchAll(/^\| `([a-z-]+)` \| [^|]+ \| ([^|]+) \| ([^|]+) \|$/gm)]
    .filter(([, name = '']) => name in thresholds)
    .map(([, name = '', warn = '', crit = '']) => [name, warn.trim(), crit.trim()] as const)
  expect(listed.map(([name]) => name)).toEqual(Object.keys(thresholds))
  for (const [name, warn, crit] of listed) {
    for (const [level, value] of [
      ['warn', warn],
      ['crit', crit],
    ] as const) {
      expect([name, level, parseThreshold(level, `${name}=${value}`).value]).toEqual([
        ...[name, level, thresholds[name as ThresholdName][level]],
      ])
    }
  }
})
