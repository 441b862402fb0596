import { sizeText } from '../../bytes.ts'
import type { JobReview } from '../../database/jobs.ts'
import type {
  BatchEvent,
  FailedEvent,
  ImageEvent,
  ModelEvent,
  NoticeEvent,
  Output,
  SkippedEvent,
  Stages,
  StartEvent,
  SummaryEvent,
} from '../../process/events.ts'
import { messageColors } from '../colors.ts'
import { plural } from '../plural.ts'
import { printable } from '../printable.ts'
import { wrapFor } from '../wrap.ts'
import { placeOfCutouts } from './place.ts'
import type { Printer, PrinterOptions } from './printer.ts'

/** One plain line per image on stdout, for pipes, files and CI logs. */
export function linesPrinter({ quiet, verbose }: PrinterOptions): Printer {
  let dryRun = false
  const place = placeOfCutouts()
  let leftOut = 0
  const toldQuietly: Printer = (event) => {
    if (event.type === 'image') printImage(event, { verbose, dryRun })
    if (event.type === 'notice') say(noticeText(event))
    if (event.type === 'summary') process.stdout.write(summaryText(event, { place: place.text(event) }))
  }
  return (event) => {
    place.note(event)
    if (event.type === 'start') dryRun = event.dryRun
    if (event.type === 'notice' && event.code === 'kinds-left-out') leftOut += event.files
    if (quiet && !isToldQuietly(event)) return
    // The other phases take no time worth a line in a log.
    if (event.type === 'phase' && event.phase === 'new-database') say(event.message)
    if (event.type === 'start') say(startText(event, { verbose, leftOut }), pathsOf(event))
    if (event.type === 'model') say(modelText(event))
    toldQuietly(event)
  }
}

const say = (text: string, paths: readonly string[] = []): void =>
  void process.stderr.write(`${wrapFor(process.stderr, text, paths)}\n`)

/** What is told of with `--quiet`. */
export function isToldQuietly(event: BatchEvent): boolean {
  if (event.type === 'image') return event.status === 'failed'
  if (event.type === 'notice') return event.important ?? false
  return event.type === 'summary' && event.failed > 0
}

/** The files that an event names. */
export function pathsOf(event: BatchEvent): string[] {
  if (event.type === 'start') return [event.store, event.database]
  if (event.type === 'summary') return event.failures.map(({ input }) => input)
  if (event.type !== 'image') return []
  if (event.status === 'failed') return [event.input]
  const outputs = [event.output, event.maskOutput].flatMap((output) => (output ? [output.path] : []))
  return [event.input, ...outputs]
}

function printImage(event: ImageEvent, options: LineOptions): void {
  process.stdout.write(`${imageLine(event, options)}\n`)
  for (const kept of keptLines(event, options.dryRun)) process.stdout.write(`${kept}\n`)
}

/** @param options.leftOut pictures that were found and are not among the images */
export function startText(
  event: StartEvent,
  { verbose, leftOut }: { verbose: boolean; leftOut: number },
): string {
  const { modelChoice } = event
  const others = leftOut > 0 ? ` (${leftOut} of other kinds left out)` : ''
  const images = event.isListing ? 'images as they are found' : plural(event.images, 'image')
  const lines = [
    `${images}${others}, model ${printable(event.model)}${choiceText(event)}, to ${printable(event.store)}, log in ${printable(event.database)}`,
  ]
  if (verbose) {
    if (modelChoice !== undefined && modelChoice.notInstalled.length > 0)
      lines.push(`better models, not installed: ${modelChoice.notInstalled.join(', ')}`)
    lines.push(
      `run ${event.runId}`,
      `${event.concurrency} images at a time within ${sizeText(event.maxMemoryBytes)}`,
    )
  }
  return lines.join('\n')
}

/** Why `auto` took the model. */
const choiceText = ({ modelChoice }: StartEvent): string =>
  modelChoice === undefined ? '' : ` (auto: ${modelChoice.reason})`

export const modelText = ({ model, provider }: ModelEvent): string =>
  `model ${printable(model)} runs on ${provider}`

/** An important notice stands out. */
export const noticeText = ({ message, important }: NoticeEvent): string =>
  important
    ? `${messageColors.bold(messageColors.yellow('NOTICE:'))} ${printable(message)}`
    : printable(message)

export interface LineOptions {
  verbose: boolean
  /** What a line tells of has not happened: it would. */
  dryRun: boolean
  /** The cut-out goes to standard output. */
  isPiped?: boolean
}

export function imageLine(event: ImageEvent, options: LineOptions): string {
  const { verbose, dryRun } = options
  const input = printable(event.input)
  const output = outputText(event, options)
  switch (event.status) {
    case 'completed': {
      const destination = output || (event.processedPath === null ? '' : ` -> ${event.processedPath}`)
      const detail = verbose
        ? ` (${stagesText(event.stages)}; ${event.width}x${event.height}, ${event.provider}, job ${event.jobId}, attempt ${event.attempt})`
        : ''
      const frames = event.frames === undefined ? '' : `  [first of ${event.frames} frames]`
      return `completed  ${input}${destination}  ${event.processingTimeMs} ms${detail}${frames}${reviewText(event.review)}`
    }
    case 'skipped': {
      const restored = event.output?.state === 'restored' ? restoredText(dryRun) : ''
      return `skipped    ${input}${output}  ${skipReasons[event.reason]}${restored}${verbose ? ` (job ${event.jobId})` : ''}${verdictText(event)}`
    }
    case 'planned':
      return `would do   ${input}${output}  ${event.bytes} bytes`
    case 'failed':
      return failureLine(event)
  }
}

/** `read 2, decode 31, model 180, …`: milliseconds. */
const stagesText = (stages: Stages): string =>
  Object.entries(stages)
    .map(([stage, ms]) => `${stage} ${ms}`)
    .join(', ')

const skipReasons = {
  unchanged: 'done before',
  'same-content': 'same content done before',
  'own-cutout': 'a cut-out made by rmbg',
  'own-mask': 'a mask made by rmbg',
}

const restoredText = (dryRun: boolean): string =>
  dryRun ? ', would be restored from the store' : ', restored from the store'

/** Where the local cut-out is; a file that was kept is not it. */
function outputText(event: ImageEvent, { isPiped = false }: LineOptions): string {
  const isOurs = event.status === 'skipped' && /^own-/.test(event.reason)
  if (isPiped && event.status !== 'failed' && !isOurs) return ' -> standard output'
  if (event.status === 'failed' || event.output === undefined || isKept(event)) return ''
  return ` -> ${printable(event.output.path)}`
}

const isKept = (event: ImageEvent): event is ImageEvent & { output: KeptOutput } =>
  event.status !== 'failed' && event.output?.state === 'kept'

type KeptOutput = Extract<Output, { state: 'kept' }>

const keptReasons = {
  foreign: (wanted: string) => `not ${wanted} of ours (--overwrite replaces it)`,
  input: () => 'one of the inputs, which are never replaced',
}

/** Files in the place of a cut-out and a mask, and why they stay. */
export function keptLines(event: ImageEvent, dryRun: boolean): string[] {
  if (event.status === 'failed') return []
  const { output, maskOutput } = event
  return [
    ...(output?.state === 'kept' ? [keptLine(output, 'a cut-out', dryRun)] : []),
    ...(maskOutput?.state === 'kept' ? [keptLine(maskOutput, 'a mask', dryRun)] : []),
  ]
}

const keptLine = ({ path, reason }: KeptOutput, wanted: string, dryRun: boolean): string =>
  `${dryRun ? 'would keep' : 'kept      '} ${printable(path)}: ${keptReasons[reason](wanted)}`

export const needsReview = (event: ImageEvent): boolean =>
  event.status === 'completed' && event.review.reasons.length > 0

/** What a person has said of it; else why it was flagged. */
const verdictText = ({ verdict, review }: SkippedEvent): string =>
  verdict === undefined ? reviewText(review) : `  [${verdict}]`

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

export interface SummaryOptions {
  /** A sentence: where the cut-outs are; empty where there are none. */
  place: string
  /** Failures to name, of those that the summary holds; all of them by default. */
  failuresNamed?: number
}

/** Counts, failed files with their reasons, where the cut-outs are, and what to type next. */
export function summaryText(
  event: SummaryEvent,
  { place, failuresNamed = Number.POSITIVE_INFINITY }: SummaryOptions,
): string {
  const lines = [countsText(event), ...failureTexts(event, failuresNamed)]
  if (event.kept > 0) lines.push(`Kept as they are: ${plural(event.kept, 'file')} in the output folder.`)
  if (place !== '') lines.push(place)
  if (event.needReview > 0) {
    lines.push(
      `${plural(event.needReview, 'cut-out')} ${event.needReview === 1 ? 'needs' : 'need'} review. See why: rmbg query --needs-review`,
    )
  }
  if (event.interrupted) lines.push('Stopped before the end. Run the same command again to continue.')
  return `${lines.join('\n')}\n`
}

function countsText(event: SummaryEvent): string {
  const counts = [
    event.planned > 0 ? `${event.planned} would be processed` : `${event.completed} completed`,
    `${event.skipped} skipped`,
    `${event.failed} failed`,
  ]
  if (event.remaining > 0) counts.push(`${event.remaining} not started`)
  const seconds = (event.elapsedMs / 1000).toFixed(1)
  const rate = event.completed > 0 ? `, ${event.imagesPerSecond} images/s` : ''
  return `${counts.join(', ')} of ${event.images} in ${seconds} s${rate}`
}

function failureTexts({ failed, failures }: SummaryEvent, failuresNamed: number): string[] {
  if (failed === 0) return []
  const named = failures.slice(0, failuresNamed)
  const others = failed - named.length
  return [
    'Failed:',
    ...named.map(({ input, code, message }) => `  ${printable(input)}: ${printable(message)} [${code}]`),
    ...(others > 0 ? [`  and ${others} more: rmbg query --status failed`] : []),
  ]
}
