import { expect, it } from 'vitest'
import {
  orphansDoneText,
  orphansQuestion,
  orphansText,
  prunedText,
  pruneQuestion,
  pruneText,
  reindexDoneText,
} from '../../../src/terminal/texts/upkeep-text.ts'
import type { PruneFigures } from '../../../src/upkeep/prune.ts'

const orphans = { seen: 9, objects: 0, bytes: 0, completed: 3, rows: 0, foreign: 0 }
const pruned = {
  ...{ jobs: 0, objects: 0, bytes: 0, left: 0, versions: { versions: 0, bytes: 0 } },
  ...{ hidden: false, interrupted: false },
}
const due: PruneFigures = {
  before: {},
  rows: { completed: 3, failed: 0, abandoned: 0 },
  ...{ rowsAreEstimates: false, months: [] },
  ...{ bytes: 5e6, oldest: '2026-01-02T03:04:05Z', newest: '2026-02-03T04:05:06Z' },
  ...{ totalRows: 6, totalIsEstimate: false, leftovers: 0, backups: [] },
}

it('a question names what there is, and no zero', () => {
  expect(orphansQuestion({ ...orphans, objects: 1 })).toBe('Remove 1 object?')
  expect(orphansQuestion({ ...orphans, rows: 2 })).toBe('Fail 2 jobs?')
  expect(orphansQuestion({ ...orphans, objects: 2, rows: 1 })).toBe('Remove 2 objects and fail 1 job?')
  expect(pruneQuestion(due, { keepObjects: false })).toBe('Delete 3 jobs and their objects?')
  expect(pruneQuestion(due, { keepObjects: true })).toBe('Delete 3 jobs?')
})

it('a plan tells of months that go as a whole, and what is only known about', () => {
  const month = { month: 'past', jobs: 3, isEstimate: true }
  const plan = { ...due, rowsAreEstimates: true, months: [month, month], totalIsEstimate: true }
  expect(pruneText(plan, { keepObjects: false })).toContain(
    'About 3 of about 6 jobs to delete: 3 completed.\n2 months of the log go as a whole.\n',
  )
  expect(pruneQuestion(plan, { keepObjects: false })).toBe('Delete about 3 jobs and their objects?')
})

it('a plan names what there is, and no zero', () => {
  expect(orphansText(orphans)).toBe('No orphans among 9 objects.')
  expect(orphansText({ ...orphans, rows: 1 })).toBe('1 job without its objects.')
  expect(orphansText({ ...orphans, foreign: 1 })).toMatch(/\n1 object not made by rmbg stays\.$/)
  expect(pruneText(due, { keepObjects: false })).toMatch(
    /^3 of 6 jobs to delete: 3 completed\.\nCreated from 2026-01-02 to 2026-02-03\.\n.* are removed from the store\.$/,
  )
  const nothing = { ...due, rows: { completed: 0, failed: 0, abandoned: 0 } }
  expect(pruneText(nothing, { keepObjects: false })).toBe('Nothing to delete: none of 6 jobs is old enough.')
  expect(pruneText({ ...nothing, leftovers: 1 }, { keepObjects: false })).toMatch(
    /objects of 1 deleted job\./,
  )
})

it('a result names what was done, and no zero', () => {
  expect(orphansDoneText({ ...orphans, left: 0, interrupted: false })).toBe('Nothing was changed.')
  expect(orphansDoneText({ ...orphans, objects: 41, left: 2, interrupted: true })).toMatch(
    /^Removed 41 objects \(.*\)\.\n2 orphans changed in the meantime and were left alone\.\nStopped before the end\./,
  )
  expect(prunedText({ ...pruned, jobs: 1 })).toBe('Deleted 1 job.')
  expect(prunedText({ ...pruned, left: 1 })).toBe('1 job changed in the meantime and was left alone.')
  expect(reindexDoneText({ dropped: ['a'], indexes: [], interrupted: false })).toBe('Dropped 1 index.')
  const skipped = [{ name: 'a', before: 1, skipped: 'why' }]
  expect(reindexDoneText({ dropped: [], indexes: skipped, interrupted: false })).toBe('Nothing was changed.')
})
