/** What the pipeline tells; printers (terminal, lines, NDJSON) listen. The objects are the NDJSON schema. */
import type { JobReview } from '../database/jobs.ts'

export type BatchEvent = StartEvent | ModelEvent | ImageEvent | NoticeEvent | SummaryEvent

export interface StartEvent {
  type: 'start'
  runId: string
  images: number
  dryRun: boolean
  model: string
  store: string
  database: string
  concurrency: number
  maxMemoryBytes: number
}

/** The model is loaded; from here on it is known where it really runs. */
export interface ModelEvent {
  type: 'model'
  model: string
  provider: string
}

interface ImageBase {
  type: 'image'
  /** The file as the person would type it. */
  input: string
}

/** Three verified objects are stored and the job's row is completed. */
export interface CompletedEvent extends ImageBase {
  status: 'completed'
  jobId: string
  /** 1 for a first try; more when an earlier run died over it or failed. */
  attempt: number
  width: number
  height: number
  provider: string
  processingTimeMs: number
  originalPath: string
  maskPath: string
  processedPath: string
  review: JobReview
  /** Local cut-out, with `--output`. */
  output?: string
}

/** Nothing to do: completed before with the same content, model and parameters. */
export interface SkippedEvent extends ImageBase {
  status: 'skipped'
  reason: 'unchanged' | 'same-content'
  jobId: string
  originalPath: string
  maskPath: string
  processedPath: string
  review: JobReview | null
  output?: string
}

export interface FailedEvent extends ImageBase {
  status: 'failed'
  code: string
  message: string
  hint?: string
  jobId?: string
}

/** `--dry-run`: this image would be processed. */
export interface PlannedEvent extends ImageBase {
  status: 'planned'
  bytes: number
  output?: string
}

export type ImageEvent = CompletedEvent | SkippedEvent | FailedEvent | PlannedEvent

export interface NoticeEvent {
  type: 'notice'
  message: string
  /** Said even when `--quiet` asks for silence. */
  important?: boolean
}

export interface SummaryEvent {
  type: 'summary'
  runId: string
  images: number
  completed: number
  skipped: number
  failed: number
  planned: number
  /** Of the completed and skipped ones. */
  needReview: number
  /** Images not taken up because the run was stopped. */
  remaining: number
  interrupted: boolean
  elapsedMs: number
  imagesPerSecond: number
  failures: { input: string; code: string; message: string }[]
}
