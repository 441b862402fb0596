/** Claims and completions as a run makes them. */
import { createHash, randomBytes } from 'node:crypto'
import { v7 as uuidv7 } from 'uuid'
import type { ClaimRequest, Completion } from '../../src/database/jobs.ts'
import type { Run } from '../../src/database/leases.ts'
import { objectKinds } from '../../src/store/contract.ts'
import { processOwner } from '../../src/system/owner.ts'

export const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
export const someRun = (changes: Partial<Run> = {}): Run => ({
  id: uuidv7(),
  owner: processOwner(),
  leaseMs: 60_000,
  ...changes,
})

const params = { model: { name: 'backdrop' }, format: 'png' }

/** A claim of a file nobody else knows. */
export function request(changes: Partial<ClaimRequest> = {}): ClaimRequest {
  const name = randomBytes(8).toString('hex')
  return {
    jobId: uuidv7(),
    source: { path: `/photos/${name}.jpg`, size: 1000, mtimeNs: 1_700_000_000_123_456_789n },
    contentSha256: sha256(name),
    fingerprint: sha256('parameters'),
    params,
    keep: objectKinds,
    userId: 'anna',
    originalPath: (id, attempt) => `original/${id}-${attempt}.jpg`,
    imageWidth: 4,
    imageHeight: 3,
    fileSizeKb: 1,
    run: someRun(),
    tags: [],
    force: false,
    ...changes,
  }
}

export const completion = (jobId: string, run: Run, attempt = 1): Completion => ({
  jobId,
  attempt,
  runId: run.id,
  params,
  originalPath: `original/${jobId}-${attempt}.jpg`,
  maskPath: `mask/${jobId}-${attempt}.png`,
  processedPath: `processed/${jobId}-${attempt}.png`,
  sharesOriginal: false,
  originalBytes: 1000,
  maskBytes: 100,
  processedBytes: 500,
  maskSha256: sha256('mask'),
  processedSha256: sha256('processed'),
  processingTimeMs: 12,
  executionProvider: 'cpu',
  review: { subjectArea: 0.4, reasons: [] },
})
