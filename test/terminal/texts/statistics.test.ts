import { describe, expect, it } from 'vitest'
import type { Statistics } from '../../../src/jobs/statistics.ts'
import { statisticsHtml } from '../../../src/terminal/texts/statistics-html.ts'
import { statisticsText } from '../../../src/terminal/texts/statistics-text.ts'

const day = (value: string, jobs: number) => ({
  ...{ value, jobs, completed: jobs, failed: 0, needReview: 0, storedBytes: null },
  ...(jobs > 0
    ? { errorRate: 0, meanMs: 100, p25Ms: 80, p50Ms: 90, p75Ms: 120, p95Ms: 200 }
    : { errorRate: null, meanMs: null, p25Ms: null, p50Ms: null, p75Ms: null, p95Ms: null }),
})
const days = (...jobs: number[]): Statistics => ({
  ...{ from: '2026-11-01', to: '2026-11-20', by: 'day', total: day('', 8) },
  groups: jobs.map((count, index) => day(`2026-11-${String(index + 1).padStart(2, '0')}`, count)),
  unfinished: { pending: 0, processing: 1 },
  verdicts: { accepted: 0, rejected: 0 },
  store: { original: 1e6, mask: 2e5, processed: 3e6, awaitingDeletion: 0, kept: 0 },
})
const lately = days(...Array(18).fill(0), 5, 3)

describe('rmbg stats', () => {
  it('begins with what matters, and lists no day without jobs', () => {
    expect(statisticsText(lately)).toMatchInlineSnapshot(`
      "2026-11-01 to 2026-11-20 (UTC): 8 jobs, 100.0% succeeded, 0 failed, 0 need review; mean 100 ms, p50 90 ms, p95 200 ms
      Now: 0 pending, 1 in work
      Store: 1.0 MB originals, 200 KB masks, 3.0 MB cut-outs

      DAY         VOLUME                    JOBS  FAILED  ERRORS  MEAN MS  P25  P50  P75  P95
      2026-11-19  ████████████████████████     5       0  0.0%        100   80   90  120  200
      2026-11-20  ██████████████               3       0  0.0%        100   80   90  120  200"
    `)
    expect(statisticsText({ ...days(0, 0), total: day('', 0) }).split('\n')).toHaveLength(3)
  })
})

describe('the report', () => {
  const html = statisticsHtml({ daily: lately, others: [] })

  it('has a chart for wide and one for narrow windows, and colors for the dark', () => {
    expect(html.match(/<svg class="wide"/g)).toHaveLength(2)
    expect(html.match(/<svg class="narrow"/g)).toHaveLength(2)
    expect(html).toContain('prefers-color-scheme:dark')
    expect(html).not.toMatch(/fill="#/)
  })

  it('begins with the first day that had jobs, or a week', () => {
    expect(html).toContain('>2026-11-14<')
    expect(html).not.toContain('>2026-11-13<')
  })
})
