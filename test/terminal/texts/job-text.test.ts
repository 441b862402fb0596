import { expect, it } from 'vitest'
import { fetchedText } from '../../../src/terminal/texts/job-text.ts'

it('an object that was not kept is told of by its kind and job', () => {
  expect(fetchedText({ notKept: 'mask', jobId: '019a6b7e' })).toBe(
    'left out mask of job 019a6b7e: it was not kept by the run that made it (--keep)',
  )
})
