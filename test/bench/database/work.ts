/** What a run asks of the log for one image: the program's own calls, with nothing between them. */
import { randomBytes } from 'node:crypto'
import type postgres from 'postgres'
import { v7 as uuidv7 } from 'uuid'
import {
  type ClaimRequest,
  type Completion,
  claimJob,
  completeJob,
  findJobOfFile,
} from '../../../src/database/jobs.ts'
import type { Run } from '../../../src/database/leases.ts'
import { objectKinds } from '../../../src/store/contract.ts'
import { objectKey } from '../../../src/store/keys.ts'

const sha256 = () => randomBytes(32).toString('hex')
const fingerprint = sha256()

/** As the program writes it for a model of the shelf. */
const params = {
  model: {
    name: 'rmbg-2.0',
    guided: true,
    sha256: sha256(),
    inputSize: { width: 1024, height: 1024 },
    activation: 'none',
    normalisation: { std: [1, 1, 1], mean: [0.5, 0.5, 0.5] },
  },
  format: 'png',
  refine: true,
  keepHiddenColor: false,
}

/** A picture nobody has seen, in a folder of 10,000. Sizes are as skewed as those of `fill`. */
export function newImage(number: number, run: Run, userId: string): ClaimRequest {
  const size = Math.round(50 * 1024 * Math.exp(6 * Math.random() * Math.random()))
  const folder = `/data/new/${run.id.slice(-4)}-${Math.floor(number / 10_000)}`
  return {
    jobId: uuidv7(),
    source: { path: `${folder}/IMG_${number}.jpg`, size, mtimeNs: BigInt(Date.now()) * 1_000_000n },
    contentSha256: sha256(),
    fingerprint,
    params,
    keep: objectKinds,
    userId,
    originalPath: (id, attempt) => objectKey('original', id, attempt, 'jpg'),
    imageWidth: 3000,
    imageHeight: 2000,
    fileSizeKb: Math.ceil(size / 1024),
    run,
    tags: [],
    force: false,
  }
}

export function completionOf(jobId: string, { run, source }: ClaimRequest): Completion {
  return {
    jobId,
    attempt: 1,
    runId: run.id,
    params,
    originalPath: objectKey('original', jobId, 1, 'jpg'),
    sharesOriginal: false,
    maskPath: objectKey('mask', jobId, 1, 'png'),
    processedPath: objectKey('processed', jobId, 1, 'png'),
    ...{ originalBytes: source.size, maskBytes: Math.ceil(source.size / 20), processedBytes: source.size },
    ...{ maskSha256: sha256(), processedSha256: sha256() },
    processingTimeMs: Math.round(200 * Math.exp(2 * Math.random())),
    executionProvider: 'cpu',
    review: {
      ...{ holes: 0, islands: 1, touches: [], reasons: [] },
      ...{ haloScore: 0.2772, softShare: 0.2702, expectedIou: 0.93, subjectArea: 0.2539 },
    },
  }
}

export async function processImage(sql: postgres.Sql, image: ClaimRequest): Promise<void> {
  await findJobOfFile(sql, image.contentSha256)
  const claim = await claimJob(sql, image)
  if (claim.state !== 'claimed') throw new Error(claim.state)
  await completeJob(sql, completionOf(claim.jobId, image))
}
