/** Where the cut-outs of a run are: learned from its events, told at its end. */
import { isAbsolute, relative } from 'node:path'
import type { BatchEvent, ImageEvent, StartEvent, SummaryEvent } from '../../process/events.ts'
import { isAddress } from '../../process/inputs/addresses.ts'
import { workingDirectory } from '../../system/file-names.ts'
import { printable } from '../printable.ts'

export interface PlaceOfCutouts {
  note(event: BatchEvent): void
  /** A sentence; empty where there are no cut-outs. */
  text(summary: SummaryEvent): string
  /** As the sentence shows it; undefined where it names none. */
  shown(summary: SummaryEvent): string | undefined
}

export function placeOfCutouts(): PlaceOfCutouts {
  let start: Pick<StartEvent, 'output' | 'besideInputs'> = {}
  const files = { count: 0, last: '' }
  let stored = 0
  const noteImage = (event: ImageEvent) => {
    if (event.status !== 'completed' && event.status !== 'skipped') return
    if (event.processedPath !== null) stored++
    // What was kept in its place is no cut-out of this run.
    if (event.output === undefined || event.output.state === 'kept') return
    files.count++
    files.last = event.output.path
  }
  const shown = (summary: SummaryEvent) => {
    if (files.count === 0) return undefined
    if (files.count === 1 && cutoutsOf(summary) === 1) return shownPath(files.last)
    return start.output === undefined ? undefined : shownPath(start.output)
  }
  return {
    note: (event) => {
      if (event.type === 'start') start = event
      if (event.type === 'image') noteImage(event)
    },
    shown,
    text: (summary) => {
      const isOne = cutoutsOf(summary) === 1
      if (summary.planned > 0 || cutoutsOf(summary) === 0) return ''
      const place = shown(summary)
      const subject = isOne ? 'The cut-out is' : 'The cut-outs are'
      if (place !== undefined) return `${subject} ${isOne ? '' : 'in '}${printable(place)}`
      if (files.count > 0) return `${subject} beside their pictures.`
      if (stored === 0) return ''
      const isLocal = start.output !== undefined || start.besideInputs
      return `${subject} in the store.${isLocal ? '' : wayOut(summary)}`
    },
  }
}

function wayOut(summary: SummaryEvent): string {
  const them = cutoutsOf(summary) === 1 ? 'it as a file' : 'them as files'
  // A file is the output of a single input.
  const where = summary.images === 1 ? 'FILE.png' : 'FOLDER'
  return ` To get ${them}, run the same command with --output ${where}.`
}

const cutoutsOf = ({ completed, skipped, ownCutouts }: SummaryEvent): number =>
  completed + skipped - ownCutouts

/** As a person would type it: from the working directory, where it is inside of that. */
function shownPath(path: string): string {
  if (isAddress(path)) return path
  const shown = relative(workingDirectory(), path)
  return shown === '' || shown.startsWith('..') || isAbsolute(shown) ? path : shown
}
