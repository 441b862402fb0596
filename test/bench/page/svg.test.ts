import { describe, expect, it } from 'vitest'
import { type Chart, draw } from './svg.ts'

const chart = (more: Partial<Chart>): string =>
  draw({
    ...{ title: 'Time', description: 'Times of two.', unit: 'ms', kind: 'dots', series: ['ours', 'theirs'] },
    rows: [
      {
        label: 'light',
        told: '2 ×',
        marks: [
          { series: 0, at: 10 },
          { series: 1, at: 1000 },
        ],
      },
    ],
    ...more,
  })
const numbers = (svg: string, pattern: RegExp) => [...svg.matchAll(pattern)].map(([, value]) => Number(value))

describe('a chart', () => {
  it('of dots has equal steps for equal factors', () => {
    const svg = chart({
      rows: [{ label: 'a', told: '', marks: [10, 100, 1000].map((at) => ({ series: 0, at })) }],
    })
    const [first, second, third] = numbers(svg, /<circle class="s0" cx="([\d.]+)" cy="[\d.]+" r="5"/g).slice(
      1,
    )
    expect(third! - second!).toBeCloseTo(second! - first!, 0)
  })

  it('of bars begins at 0 and draws twice as much twice as long', () => {
    const rows = [50, 100].map((at) => ({ label: String(at), told: '', marks: [{ series: 0, at }] }))
    const [half, whole] = numbers(
      chart({ kind: 'bars', rows }),
      /<rect class="s0"[^>]* width="([\d.]+)"/g,
    ).slice(1)
    expect(whole! / half!).toBeCloseTo(2, 1)
  })

  it('draws a range with what lies between', () => {
    const marks = [{ series: 1, at: 10, between: [20], to: 40 }]
    const svg = chart({ rows: [{ label: 'a', told: '', marks }] })
    expect(svg).toContain('<path class="l1"')
    expect(svg.match(/<circle class="s1"/g)).toHaveLength(2)
  })

  it('tells series apart by shape as well as color, and has colors for both schemes', () => {
    const svg = chart({})
    expect(svg).toContain('<circle class="s0"')
    expect(svg).toContain('<path class="s1"')
    expect(svg).toContain('@media(prefers-color-scheme:dark)')
  })

  it('keeps what it says from being markup', () => {
    expect(chart({ title: 'a < b & c' })).toContain('<title id="title">a &lt; b &amp; c</title>')
  })

  it('says nothing of a must that there is none of', () => {
    expect(chart({})).not.toContain('>must<')
    const rows = [{ label: 'a', told: '', must: 20, marks: [{ series: 0, at: 10 }] }]
    expect(chart({ rows })).toContain('>must<')
  })
})
