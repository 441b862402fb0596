import pc from 'picocolors'
import { sizeText } from '../../bytes.ts'
import type { JobReview } from '../../database/jobs.ts'
import type {
  FailedEvent,
  ImageEvent,
  ModelEvent,
  NoticeEvent,
  Output,
  StartEvent,
  SummaryEvent,
} from '../../process/events.ts'
import { plural } from '../plural.ts'
import { printable } from '../printable.ts'
import type { Printer, PrinterOptions } from './printer.ts'

/** One plain line per image on stdout, for pipes, files and CI logs. */
export function linesPrinter({ quiet, verbose }: PrinterOptions): Printer {
  let dryRun = false
  return (event) => {
    switch (event.type) {
      case 'start':
        dryRun = event.dryRun
        if (!quiet) process.stderr.write(startText(event, verbose))
        break
      case 'model':
        if (!quiet) process.stderr.write(`${modelText(event)}\n`)
        break
      case 'image':
        if (!quiet || event.status === 'failed') printImage(event, { verbose, dryRun })
        break
      case 'notice':
        if (!quiet || event.important) process.stderr.write(`${noticeText(event)}\n`)
        break
      case 'summary':
        if (!quiet || event.failed > 0) process.stdout.write(summaryText(event))
        break
    }
  }
}

function printImage(event: ImageEvent, options: LineOptions): void {
  process.stdout.write(`${imageLine(event, options)}\n`)
  if (isKept(event)) process.stdout.write(`${keptLine(event.output, options.dryRun)}\n`)
}

export function startText(event: StartEvent, verbose: boolean): string {
  const { modelChoice } = event
  const lines = [
    `${plural(event.images, 'image')}, model ${printable(event.model)}${choiceText(event)}, to ${printable(event.store)}`,
  ]
  if (verbose) {
    if (modelChoice !== undefined && modelChoice.notInstalled.length > 0)
      lines.push(`better models, not installed: ${modelChoice.notInstalled.join(', ')}`)
    lines.push(
      `run ${event.runId}, database ${printable(event.database)}`,
      `${event.concurrency} images at a time within ${sizeText(event.maxMemoryBytes)}`,
    )
  }
  return `${lines.join('\n')}\n`
}

/** Why `auto` took the model. */
const choiceText = ({ modelChoice }: StartEvent): string =>
  modelChoice === undefined ? '' : ` (auto: ${modelChoice.reason})`

export const modelText = ({ model, provider }: ModelEvent): string =>
  `model ${printable(model)} runs on ${provider}`

/** An important notice stands out. */
export const noticeText = ({ message, important }: NoticeEvent): string =>
  important ? `${pc.bold(pc.yellow('NOTICE:'))} ${printable(message)}` : printable(message)

export interface LineOptions {
  verbose: boolean
  /** What a line tells of has not happened: it would. */
  dryRun: boolean
}

export function imageLine(event: ImageEvent, { verbose, dryRun }: LineOptions): string {
  const input = printable(event.input)
  const output = outputText(event)
  switch (event.status) {
    case 'completed': {
      const destination = output || (event.processedPath === null ? '' : ` -> ${event.processedPath}`)
      const detail = verbose
        ? ` (${event.width}x${event.height}, ${event.provider}, job ${event.jobId}, attempt ${event.attempt})`
        : ''
      return `completed  ${input}${destination}  ${event.processingTimeMs} ms${detail}${reviewText(event.review)}`
    }
    case 'skipped': {
      const restored = event.output?.state === 'restored' ? restoredText(dryRun) : ''
      return `skipped    ${input}${output}  ${skipReasons[event.reason]}${restored}${verbose ? ` (job ${event.jobId})` : ''}${reviewText(event.review)}`
    }
    case 'planned':
      return `would do   ${input}${output}  ${event.bytes} bytes`
    case 'failed':
      return failureLine(event)
  }
}

const skipReasons = {
  unchanged: 'done before',
  'same-content': 'same content done before',
  'own-cutout': 'a cut-out made by rmbg',
}

const restoredText = (dryRun: boolean): string =>
  dryRun ? ', would be restored from the store' : ', restored from the store'

/** Where the local cut-out is; a file that was kept is not it. */
function outputText(event: ImageEvent): string {
  if (event.status === 'failed' || event.output === undefined || isKept(event)) return ''
  return ` -> ${printable(event.output.path)}`
}

export const isKept = (event: ImageEvent): event is ImageEvent & { output: KeptOutput } =>
  event.status !== 'failed' && event.output?.state === 'kept'

type KeptOutput = Extract<Output, { state: 'kept' }>

const keptReasons = {
  foreign: 'not a cut-out of ours (--overwrite replaces it)',
  input: 'one of the inputs, which are never replaced',
}

/** A file in the place of a cut-out, and why it stays. */
export const keptLine = ({ path, reason }: KeptOutput, dryRun: boolean): string =>
  `${dryRun ? 'would keep' : 'kept      '} ${printable(path)}: ${keptReasons[reason]}`

export const needsReview = (event: ImageEvent): boolean =>
  event.status === 'completed' && event.review.reasons.length > 0

/** Why it was flagged for review. */
function reviewText(review: JobReview | null): string {
  if (!review || review.reasons.length === 0) return ''
  const rules = (review.violations ?? []) as { message: string }[]
  const reasons = review.reasons.filter((reason) => reason !== 'rules')
  return `  [review: ${printable([...reasons, ...rules.map(({ message }) => message)].join('; '))}]`
}

export function failureLine(event: FailedEvent): string {
  const hint = event.hint === undefined ? '' : ` ${printable(event.hint)}`
  return `failed     ${printable(event.input)}  ${printable(event.message)}${hint} [${event.code}]`
}

/** Counts, and every failed file with its reason. */
export function summaryText(event: SummaryEvent): string {
  const counts = [
    event.planned > 0 ? `${event.planned} would be processed` : `${event.completed} completed`,
    `${event.skipped} skipped`,
    `${event.failed} failed`,
  ]
  if (event.remaining > 0) counts.push(`${event.remaining} not started`)
  const seconds = (event.elapsedMs / 1000).toFixed(1)
  const rate = event.completed > 0 ? `, ${event.imagesPerSecond} images/s` : ''
  const lines = [`${counts.join(', ')} of ${event.images} in ${seconds} s${rate}`]
  if (event.needReview > 0) {
    lines.push(`${plural(event.needReview, 'cut-out')} ${event.needReview === 1 ? 'needs' : 'need'} review.`)
  }
  if (event.kept > 0) lines.push(`Kept as they are: ${plural(event.kept, 'file')} in the output folder.`)
  if (event.failures.length > 0) {
    lines.push(
      'Failed:',
      ...event.failures.map(
        ({ input, code, message }) => `  ${printable(input)}: ${printable(message)} [${code}]`,
      ),
    )
    const others = event.failed - event.failures.length
    if (others > 0) lines.push(`  and ${others} more`)
  }
  if (event.interrupted) lines.push('Stopped before the end. Run the same command again to continue.')
  return `${lines.join('\n')}\n`
}
