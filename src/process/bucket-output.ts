/** Cut-outs in a bucket of the user's: ours are kept up to date there, and what is not ours is never touched. */
import { posix } from 'node:path'
import { type CompletedJob, findJobOfCutout } from '../database/jobs.ts'
import { contentTypeOf } from '../store/keys.ts'
import type { OutputBucket, PlacedObject } from '../store/output-bucket.ts'
import { sha256Of } from '../system/sha256.ts'
import type { Batch } from './contract.ts'
import type { Output } from './events.ts'
import type { Candidate } from './inputs.ts'
import type { Placing } from './output-file.ts'

/** Where cut-outs go: `prefix` + the path of the input + `ending` in the place of its extension. */
export interface BucketPlace {
  bucket: OutputBucket
  name: string
  /** Empty, or ending in a slash. */
  prefix: string
  /** `.png`, or `-cutout.png`. */
  ending: string
}

/** How often a key is looked at again because something changed there between the look and the writing. */
const maxTries = 3
/** Keys of S3 have no more bytes. */
const maxKeyBytes = 1024

type Verdict =
  | { state: 'free'; key: string; onlyIf: 'absent' | { etag: string } }
  | { state: 'unchanged'; key: string }
  | { state: 'kept'; key: string; reason: 'foreign' }

/**
 * Brings the cut-out of a completed job to its key, unless it is there already or something that is not ours is. In a
 * dry run it only tells.
 *
 * @throws RmbgError of family `store`, or what `read` throws
 */
export async function placeInBucket(
  batch: Batch,
  place: BucketPlace,
  candidate: Candidate,
  { job, read, state }: Placing,
): Promise<Output> {
  const input = inputOf(candidate)
  let key = ''
  for (let tries = 0; tries < maxTries; tries++) {
    const verdict = await judge(batch, place, candidate, job)
    key = verdict.key
    if (verdict.state === 'unchanged') return { path: address(place, key), state: 'unchanged' }
    if (verdict.state === 'kept') return { path: address(place, key), state: 'kept', reason: 'foreign' }
    if (batch.dryRun) return { path: address(place, key), state }
    const bytes = await read()
    const facts = { contentType: contentTypeOf(place.ending), sha256: job.processedSha256, input }
    if (await place.bucket.put(key, bytes, { ...facts, onlyIf: verdict.onlyIf }))
      return { path: address(place, key), state }
  }
  return { path: address(place, key), state: 'kept', reason: 'foreign' }
}

/** Whether the cut-out of a completed job has to be written, because it is not there or is an older one of ours. */
export const lacksObject = async (
  batch: Batch,
  place: BucketPlace,
  candidate: Candidate,
  job: CompletedJob,
): Promise<boolean> => (await judge(batch, place, candidate, job)).state === 'free'

/** What would become of the cut-out of an image that is not made yet. */
export async function foreseeInBucket(
  batch: Batch,
  place: BucketPlace,
  candidate: Candidate,
): Promise<Output> {
  const { key, ...verdict } = await judge(batch, place, candidate, undefined)
  const path = address(place, key)
  return verdict.state === 'kept' ? { path, state: 'kept', reason: 'foreign' } : { path, state: 'written' }
}

/**
 * Inputs that differ in their extension alone have one plain name. Nobody has seen all inputs, so the first one gets it,
 * and the object says whose it is; the others keep their whole name.
 */
async function judge(
  batch: Batch,
  place: BucketPlace,
  candidate: Candidate,
  job: CompletedJob | undefined,
): Promise<Verdict> {
  const input = inputOf(candidate)
  const names = namesOf(place, candidate)
  for (const key of names) {
    const present = await place.bucket.look(key)
    if (!present) return { state: 'free', key, onlyIf: 'absent' }
    const isOthers = present.input !== undefined && present.input !== input
    if (isOthers && present.sha256 !== job?.processedSha256) continue
    return { key, ...(await verdictOn(batch, place, key, present, job)) }
  }
  return { state: 'kept', key: names.at(-1) ?? '', reason: 'foreign' }
}

async function verdictOn(
  batch: Batch,
  { bucket }: BucketPlace,
  key: string,
  present: PlacedObject,
  job: CompletedJob | undefined,
): Promise<
  { state: 'free'; onlyIf: { etag: string } } | { state: 'unchanged' } | { state: 'kept'; reason: 'foreign' }
> {
  const { etag } = present
  const isOurs = job && present.sha256 === job.processedSha256 && present.size === job.processedBytes
  if (isOurs && !batch.checksum) return { state: 'unchanged' }
  // What it says of itself is not enough to replace it: whoever changes an object may keep its metadata.
  const digest = await bucket.digest(key, etag)
  if (digest !== undefined && digest === job?.processedSha256) return { state: 'unchanged' }
  const isOlder = digest !== undefined && (await findJobOfCutout(batch.database.sql, digest)) !== undefined
  return isOlder || batch.overwrite
    ? { state: 'free', onlyIf: { etag } }
    : { state: 'kept', reason: 'foreign' }
}

/** In the order in which they are tried. */
function namesOf({ prefix, ending }: BucketPlace, candidate: Candidate): string[] {
  const { relative } = candidate
  const extension = posix.extname(relative)
  const stem = extension === '' ? relative : relative.slice(0, -extension.length)
  const distinct = `-${inputOf(candidate).slice(0, 12)}${ending}`
  const room = maxKeyBytes - Buffer.byteLength(prefix + distinct)
  const short = Buffer.from(stem)
    .subarray(0, Math.max(0, room))
    .toString('utf8')
    .replace(/\uFFFD$/, '')
  return [`${stem}${ending}`, `${relative}${ending}`, `${short}${distinct}`]
    .map((name) => prefix + name)
    .filter((key) => Buffer.byteLength(key) <= maxKeyBytes)
}

/** Which input it is, without its name: the bucket may be read by others. */
const inputOf = ({ path, loggedPath = path }: Candidate): string => sha256Of(loggedPath).slice(0, 32)

const address = ({ name }: BucketPlace, key: string): string => `s3://${name}/${key}`
