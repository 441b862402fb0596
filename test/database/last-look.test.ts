/** What is kept from one look at the counters to the next. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { blockCountsIn, type Counts, sinceLast } from '../../src/database/health/last-look.ts'
import { temporaryFolder } from '../support/cli.ts'

const counts = (changes: Partial<Counts> = {}): Counts => ({
  ...{ at: '2026-11-26T10:00:00.000000Z', hit: 1000, read: 100, since: null },
  ...changes,
})

it('what was counted since is the difference', () => {
  const now = counts({ at: '2026-11-26T10:05:00.000000Z', hit: 1090, read: 110 })
  expect(sinceLast(now, counts())).toEqual({ hit: 90, all: 100, seconds: 300 })
})

it.each<[string, Counts | undefined]>([
  ['nobody has looked', undefined],
  ['the counters were reset', counts({ since: '2026-11-26' })],
  ['the counters began anew without saying so', counts({ hit: 5000 })],
])('nothing is known when %s', (_, last) => {
  expect(sinceLast(counts(), last)).toBeUndefined()
})

it('counts are kept for each database, and a file that is none is no look', async () => {
  const folder = join(await temporaryFolder(), 'not', 'there')
  const [one, other] = [blockCountsIn(folder, 'one'), blockCountsIn(folder, 'other')]
  expect(await one.last()).toBeUndefined()
  await one.keep(counts())
  expect([await one.last(), await other.last()]).toEqual([counts(), undefined])
})

it('a folder that cannot be made costs the next look, and no more', async () => {
  const file = join(await temporaryFolder(), 'file')
  await writeFile(file, '')
  const kept = blockCountsIn(join(file, 'health'), 'one')
  await kept.keep(counts())
  expect(await kept.last()).toBeUndefined()
})
