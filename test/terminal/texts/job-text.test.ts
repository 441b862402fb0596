import { expect, it } from 'vitest'
import type { ShownJob } from '../../../src/terminal/job-columns.ts'
import { fetchedText, jobsPrinter } from '../../../src/terminal/texts/job-text.ts'

const job = {
  jobId: '019a6b7e-0000-7000-8000-000000000000',
  sourcePath: '/home/anna/photos/mug.jpg',
  processedPath: 'processed/2026/11/26/1.png',
  review: {
    reasons: ['soft-mask', 'rules'],
    violations: [{ rule: 'size', message: 'It is too small.' }],
  },
} as unknown as ShownJob

it('jobs to review say which picture, why, and where its cut-out is', () => {
  const print = jobsPrinter({
    ...{ ndjson: false, csv: false, facts: false, columns: undefined },
    placeToReview: (key) => `/store/${key}`,
  })
  const early = { ...job, review: null, sourcePath: '/home/anna/a\u001b.jpg' } as ShownJob
  expect(print([job, early])).toMatchInlineSnapshot(`
    "/home/anna/photos/mug.jpg
      why      soft-mask; It is too small.
      cut-out  /store/processed/2026/11/26/1.png
      job      019a6b7e-0000-7000-8000-000000000000

    /home/anna/a\\u001b.jpg
      why      not known
      cut-out  /store/processed/2026/11/26/1.png
      job      019a6b7e-0000-7000-8000-000000000000"
  `)
})

it('an object that was not kept is told of by its kind and job', () => {
  expect(fetchedText({ notKept: 'mask', jobId: '019a6b7e' })).toBe(
    'left out mask of job 019a6b7e: it was not kept by the run that made it (--keep)',
  )
})
