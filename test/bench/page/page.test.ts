import { describe, expect, it } from 'vitest'
import { type KeptResults, readResults } from '../speed/results.ts'
import { pageOf } from './page.ts'
import { plotsOf } from './plots.ts'
import { readPage } from './write.ts'

const results = await readResults()

describe('docs/speed.md', () => {
  it('is what the results give (npm run bench:page brings it up to date)', async () => {
    expect(await readPage()).toEqual(pageOf(results))
  })

  it('says of each part that was not measured how to measure it', () => {
    const { 'speed.md': page, ...plots } = pageOf({})
    expect(plots).toEqual({})
    for (const part of ['limit', 'peer', 'jobs', 'first', 'memory', 'png'])
      expect(page).toContain(`Not measured: \`npm run bench -- ${part}`)
    expect(page).not.toContain('NaN')
    expect(page).not.toContain('undefined')
  })

  it.each(Object.keys(results) as (keyof KeptResults)[])('is whole with only %s measured', (name) => {
    const { 'speed.md': page = '' } = pageOf({ [name]: results[name] })
    expect(page).toContain('## What must be reached')
    expect(page).not.toMatch(/NaN|undefined|Infinity/)
  })
})

it('tells of instructions and joules where they were counted', () => {
  const transformers = structuredClone(results.transformers!)
  for (const row of transformers.result)
    for (const which of ['ours', 'peer', 'peerAtOnce'] as const) {
      delete row[which].megaInstructions
      delete row[which].joules
    }
  expect(pageOf({ transformers })['speed.md']).not.toContain('perf stat')
  const count = (median: number) => ({ median, low: median, high: median, runs: 1 })
  Object.assign(transformers.result[0]!.ours, { megaInstructions: count(410), joules: count(2.5) })
  expect(pageOf({ transformers })['speed.md']).toContain('| light, 1 MP | 410 M, 2.50 J |  |  |')
})

describe('plots', () => {
  const plots = Object.entries(plotsOf({ limit: results.limit!.result, memory: results.memory!.result }))

  it.each(plots)('%s is small, has its text as text, and tells who cannot see it', (_, svg) => {
    expect(Buffer.byteLength(svg)).toBeLessThanOrEqual(20_000)
    expect(svg).toMatch(/<title id="title">.+<\/title>\n<desc id="description">.+<\/desc>/)
    expect(svg).toMatch(/<text [^>]+>/)
    expect(svg).not.toMatch(/NaN|undefined|Infinity/)
  })
})
