/** What a batch reports while it runs. Printers (terminal, lines, NDJSON) listen; these objects are the NDJSON schema. */
import type { JobReview } from '../database/jobs.ts'
import type { ErrorCode } from '../errors.ts'
import type { ModelChoice } from '../model/contract.ts'
import type { Estimate } from './estimate.ts'

export type BatchEvent = StartEvent | ModelEvent | ImageEvent | NoticeEvent | SummaryEvent

export interface StartEvent {
  type: 'start'
  runId: string
  images: number
  dryRun: boolean
  model: string
  /** Present when `auto` took the model: why, and which better ones are not installed. */
  modelChoice?: ModelChoice
  store: string
  database: string
  concurrency: number
  maxMemoryBytes: number
}

/** The model is loaded, so it is known what it really runs on. */
export interface ModelEvent {
  type: 'model'
  model: string
  provider: string
}

interface ImageBase {
  type: 'image'
  /** The file as a person would type it. */
  input: string
}

/** A file that is kept is not a cut-out of ours, or it is one of the inputs. */
export type KeptReason = 'foreign' | 'input'

/**
 * What became of the local cut-out, with `--output`; in a dry run, what would. `written` is a new one, `restored` one
 * of an earlier run that was missing or older, and `unchanged` was there already. `kept` means that something else is
 * there and stays.
 */
export type Output =
  /** Absolute path, as it is shown (`shownPath`). */
  { path: string } & ({ state: 'written' | 'restored' | 'unchanged' } | { state: 'kept'; reason: KeptReason })

/** The objects that are kept are stored and verified, and the job's row is completed. */
export interface CompletedEvent extends ImageBase {
  status: 'completed'
  jobId: string
  /** 1 for a first try; more when an earlier run failed at it or died. */
  attempt: number
  width: number
  height: number
  provider: string
  processingTimeMs: number
  /** Keys in the store; null for what is not kept. */
  originalPath: string | null
  maskPath: string | null
  processedPath: string | null
  review: JobReview
  output?: Output
}

/**
 * Nothing to do. `unchanged` and `same-content`: it was completed before, with the same model and parameters.
 * `own-cutout`: it is itself a cut-out of ours, made by the job that is named.
 */
export interface SkippedEvent extends ImageBase {
  status: 'skipped'
  reason: 'unchanged' | 'same-content' | 'own-cutout'
  jobId: string
  /** Keys in the store; null for what was not kept. */
  originalPath: string | null
  maskPath: string | null
  processedPath: string | null
  /** Null for jobs of early versions, and for a cut-out that is no picture to review again. */
  review: JobReview | null
  output?: Output
}

export interface FailedEvent extends ImageBase {
  status: 'failed'
  code: ErrorCode
  message: string
  hint?: string
  jobId?: string
}

/** `--dry-run`: this image would be processed. */
export interface PlannedEvent extends ImageBase {
  status: 'planned'
  bytes: number
  output?: Output
}

export type ImageEvent = CompletedEvent | SkippedEvent | FailedEvent | PlannedEvent

/** Something worth knowing that fails nothing. Programs switch on `code`; people read `message`. */
export type NoticeEvent = {
  type: 'notice'
  message: string
  /** Printed even with `--quiet`. */
  important?: boolean
} & (
  | { code: 'waiting-for-other-run'; images: number }
  /** The model that the run chose by itself may not be what the person expects. */
  | { code: 'model-chosen' }
  | { code: 'device-fallback' }
  /** Inputs were left out because they are cut-outs of ours. */
  | { code: 'own-cutouts'; images: number }
  | { code: 'stopping' }
  /** What there is to do, and what it will take by the log's own figures. */
  | { code: 'estimate'; estimate: Estimate }
  /** Folders are watched from now on: their absolute paths. */
  | { code: 'watching'; folders: string[] }
  /** Folders that systems keep for themselves were not searched: how many, by name. */
  | { code: 'folders-left-out'; folders: Record<string, number> }
  /** Pictures in searched folders that are of other kinds than we read: how many, by extension. */
  | { code: 'kinds-left-out'; files: number; kinds: Record<string, number> }
  /** A database or store is waited for; it answers again. */
  | { code: 'server-away' | 'server-back' }
  /** The library that runs models was not installed with the program, and is being fetched. */
  | { code: 'runtime-fetched' }
)

export interface SummaryEvent {
  type: 'summary'
  runId: string
  images: number
  completed: number
  skipped: number
  failed: number
  planned: number
  /** How many of the skipped ones are themselves cut-outs of ours. */
  ownCutouts: number
  /** Files in the output folder that stay as they are, because they are not cut-outs of ours or are inputs. */
  kept: number
  /** How many of the completed and skipped ones a person should look at. */
  needReview: number
  /** Images that were not begun because the run was stopped. */
  remaining: number
  interrupted: boolean
  elapsedMs: number
  imagesPerSecond: number
  /** The first thousand. */
  failures: Pick<FailedEvent, 'input' | 'code' | 'message'>[]
}
