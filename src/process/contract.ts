/** What a batch works with, what an image is to it, and what can become of that image. */
import type { Semaphore } from 'async-mutex'
import type { CutoutRecipe } from '../cutout/options.ts'
import type { Database } from '../database/contract.ts'
import type { MaskedJob } from '../database/jobs.ts'
import type { Run } from '../database/leases.ts'
import type { Tagger } from '../database/tags.ts'
import type { RmbgError } from '../errors.ts'
import type { MatteModel, ModelSpec } from '../model/contract.ts'
import type { ObjectKind, ObjectStore } from '../store/contract.ts'
import type { OpenInputBucket } from '../store/referenced.ts'
import type { BucketPlace } from './bucket-output.ts'
import type { BatchEvent, CompletedEvent, FailedEvent, SkippedEvent } from './events.ts'
import type { Candidate } from './inputs.ts'
import type { LocalPath } from './outputs.ts'
import type { Source } from './source.ts'
import type { Work } from './work.ts'

export interface BatchServices {
  store: ObjectStore
  /** Opens the buckets of inputs, for originals that are referenced there. Absent: there are none. */
  inputBucket?: OpenInputBucket
  database: Database
  masks: Masks
}

/**
 * Where the masks of a batch come from: a model, loaded when the first image needs it (a run with nothing to do never
 * loads one), or the store, which holds the mask of every completed job.
 */
export type Masks = { spec: ModelSpec; model: () => Promise<MatteModel> } | 'from-store'

export interface BatchOptions {
  user: string
  tags: readonly string[]
  /** Images in work at once. */
  concurrency: number
  /** Bytes. */
  maxMemory: number
  maxPixels: number
  allowSvg: boolean
  cutout: Omit<CutoutRecipe, 'depth'>
  /** The same settings, as kept in the `params` of a job. */
  cutoutParams: Record<string, unknown>
  /** Which objects are stored. What else is made goes to the local files or is thrown away. */
  keep: readonly ObjectKind[]
  /** Whether originals that lie in a bucket stay there and are named by the row, or are copied into the store. */
  originals: 'reference' | 'copy'
  /** The folder, file or address that cut-outs go to besides the store, a path being absolute; undefined where there is no such place. */
  output?: string | undefined
  /** Cut-outs go to the folders of their inputs. */
  besideInputs?: boolean | undefined
  /** Where the local cut-out of a candidate goes, as an absolute path; undefined where there is none. */
  outputOf: LocalPath | undefined
  /** The place of cut-outs in a bucket, besides the store. */
  outputBucket?: BucketPlace | undefined
  /** The same of the local mask. */
  maskOf?: LocalPath | undefined
  /** Who gets the bytes of the cut-out, or of the mask, of a completed job. */
  deliver?: Delivery | undefined
  /** Replace what is in the place of a local cut-out and is not a cut-out of ours; never an input. */
  overwrite: boolean
  /** Compare contents instead of trusting path, size and time. */
  checksum: boolean
  force: boolean
  dryRun: boolean
  /** Take no more images after this many failures. */
  maxFailures: number
  /** Of the run, where several batches are one. Whoever gives it ends the pixel threads after the last one. */
  runId?: string
  /** All inputs, where the batch is only a part of them: none of these is ever overwritten. */
  inputs?: Iterable<Candidate>
  /** When it aborts, no new image is taken; those in work are finished. */
  signal: AbortSignal
  onEvent: (event: BatchEvent) => void
}

export interface Delivery {
  what: 'cutout' | 'mask'
  to: (bytes: Uint8Array) => Promise<void>
}

/** One run over many images: everything that `processOne` needs besides the image. */
export interface Batch extends BatchOptions, BatchServices {
  run: Run
  /** The same for every image, unless masks come from the store: then each mask brings its own model's parameters. */
  work: Work
  /** Whether a path leads to one of the inputs. */
  isInput: (path: string) => Promise<boolean>
  /** Lets images in, in their order, by their estimated peak memory. Counts MiB: its cost grows with the count. */
  memory: Semaphore
  /** Whether any job was ever judged or done again by people; asked once. */
  hasDecisions: () => Promise<boolean>
  /** Gives the tags of the run to jobs that were completed before; a claim gives them to the others. */
  tag: Tagger
}

export type Image = ReadableImage | UnreadableImage

export interface ReadableImage {
  candidate: Candidate
  /** The original, as it was when the batch looked at it. */
  source: Source
  /** The job whose mask is used, where the input names one. */
  job?: MaskedJob & { maskPath: string }
  /** In the place of that job's mask: the file of one that somebody has mended. */
  mendedMask?: Uint8Array
}

export interface UnreadableImage {
  candidate: Candidate
  failure: RmbgError
}

/**
 * `held`: another run is working on it now. `untaken`: the run was stopped before the image's turn came, or while it
 * waited for the store; the next run takes it.
 */
export type Outcome = CompletedEvent | SkippedEvent | FailedEvent | 'held' | 'untaken'
