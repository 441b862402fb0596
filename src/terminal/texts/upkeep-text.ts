import { sizeText } from '../../bytes.ts'
import type { ForeignObject, Orphan, OrphanFigures, OrphanResult } from '../../upkeep/orphans.ts'
import { type PruneFigures, type PruneResult, plannedRows } from '../../upkeep/prune.ts'
import type { ReindexedIndex, ReindexFigures, ReindexResult } from '../../upkeep/reindex.ts'
import { plural } from '../plural.ts'
import { printable } from '../printable.ts'

const upperFirst = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)
const day = (time: string | null): string => time?.slice(0, 10) ?? ''
const nothing = 'Nothing was changed.'
const stopped = 'Stopped before the end. Run the same command again to go on.'
/** Of a plan; zero is no news. */
const changed = (left: number, what: string): string[] =>
  left > 0
    ? [`${plural(left, what)} changed in the meantime and ${left === 1 ? 'was' : 'were'} left alone.`]
    : []

export function pruneText(figures: PruneFigures, { keepObjects }: { keepObjects: boolean }): string {
  const { leftovers } = figures
  const rows = plannedRows(figures)
  const lines =
    rows === 0
      ? [`Nothing to delete: none of ${totalText(figures)} is old enough.`]
      : [...dueText(figures), objectsText(figures, keepObjects), ...backupsText(figures, keepObjects)]
  if (leftovers > 0) {
    lines.push(
      `An interrupted prune has left objects of ${plural(leftovers, 'deleted job')}. They are removed first.`,
    )
  }
  return lines.join('\n')
}

const rowsText = (figures: PruneFigures): string =>
  `${figures.rowsAreEstimates ? 'about ' : ''}${plannedRows(figures)}`

const monthsText = ({ months }: PruneFigures): string[] =>
  months.length === 0
    ? []
    : [`${plural(months.length, 'month')} of the log ${months.length === 1 ? 'goes' : 'go'} as a whole.`]

const totalText = ({ totalRows, totalIsEstimate }: PruneFigures): string =>
  `${totalIsEstimate ? 'about ' : ''}${plural(totalRows, 'job')}`

function dueText(figures: PruneFigures): string[] {
  const kinds = Object.entries(figures.rows).flatMap(([kind, number]) =>
    number > 0 ? `${number} ${kind}` : [],
  )
  const [from, to] = [day(figures.oldest), day(figures.newest)]
  return [
    `${upperFirst(rowsText(figures))} of ${totalText(figures)} to delete: ${kinds.join(', ')}.`,
    ...monthsText(figures),
    `Created ${from === to ? `on ${from}` : `from ${from} to ${to}`}.`,
  ]
}

const objectsText = ({ bytes }: PruneFigures, keepObjects: boolean): string =>
  keepObjects
    ? `Their objects (${sizeText(bytes)}) stay in the store.`
    : `Their objects (${sizeText(bytes)}) are removed from the store.`

function backupsText({ backups }: PruneFigures, keepObjects: boolean): string[] {
  const [newest] = backups
  if (!newest) return []
  const lines = [
    `${plural(backups.length, 'backup')} may still refer to these jobs, the newest of ${day(newest.createdAt)}.`,
  ]
  const without = backups.filter(({ withObjects }) => !withObjects).length
  if (without > 0 && !keepObjects) {
    lines.push(
      `${without} of them ${without === 1 ? 'has' : 'have'} no copy of the objects, so a restore would bring these jobs back without them. rmbg backup --objects copies objects too.`,
    )
  }
  return lines
}

export function unknownTagText({ name, similar }: { name: string; similar: string | undefined }): string {
  const guess = similar === undefined ? '' : ` Did you mean ${JSON.stringify(similar)}?`
  return `No job has the tag ${JSON.stringify(name)}, so --except-tag keeps nothing by it.${guess}`
}

export const pruneQuestion = (figures: PruneFigures, { keepObjects }: { keepObjects: boolean }): string => {
  const rows = plannedRows(figures)
  return `Delete ${figures.rowsAreEstimates ? 'about ' : ''}${plural(rows, 'job')}${keepObjects ? '' : ` and ${rows === 1 ? 'its' : 'their'} objects`}?`
}

export function prunedText(result: PruneResult): string {
  const { jobs, objects, bytes, left, versions, hidden, interrupted } = result
  const lines: string[] = []
  const done = [
    ...(jobs > 0 ? [plural(jobs, 'job')] : []),
    ...(objects > 0 ? [plural(objects, 'object')] : []),
  ]
  if (done.length > 0) {
    lines.push(`Deleted ${done.join(' and ')}${jobs > 0 && objects > 0 ? ` (${sizeText(bytes)})` : ''}.`)
  }
  lines.push(...changed(left, 'job'))
  if (versions.versions > 0) {
    lines.push(`Removed ${plural(versions.versions, 'version')}, ${sizeText(versions.bytes)} in all.`)
  }
  if (hidden && objects > 0) {
    lines.push(
      'The bucket keeps old versions, so the objects are hidden and still take up space until those expire. --versions removes them at once.',
    )
  }
  if (interrupted) lines.push(stopped)
  return lines.join('\n')
}

const orphanWords: Record<(Orphan | ForeignObject)['type'], string> = {
  object: 'object without a job     ',
  superseded: 'object of an earlier try ',
  row: 'job without its object   ',
  foreign: 'not ours, left alone     ',
}

export const orphanText = ({ type, key }: Orphan | ForeignObject): string =>
  `${orphanWords[type]} ${printable(key)}`

export function orphansText({ seen, objects, bytes, rows, foreign }: OrphanFigures): string {
  const found = [
    ...(objects > 0 ? [`${plural(objects, 'object')} without a job (${sizeText(bytes)})`] : []),
    ...(rows > 0 ? [`${plural(rows, 'job')} without ${rows === 1 ? 'its' : 'their'} objects`] : []),
  ]
  return [
    found.length > 0 ? `${found.join(', ')}.` : `No orphans among ${plural(seen, 'object')}.`,
    ...(foreign > 0
      ? [`${plural(foreign, 'object')} not made by rmbg ${foreign === 1 ? 'stays' : 'stay'}.`]
      : []),
  ].join('\n')
}

export const orphansQuestion = ({ objects, rows }: OrphanFigures): string => {
  const parts = [
    ...(objects > 0 ? [`remove ${plural(objects, 'object')}`] : []),
    ...(rows > 0 ? [`fail ${plural(rows, 'job')}`] : []),
  ]
  const question = `${parts.join(' and ')}?`
  return question.charAt(0).toUpperCase() + question.slice(1)
}

export function orphansDoneText({ objects, bytes, rows, left, interrupted }: OrphanResult): string {
  const lines = [
    ...(objects > 0 ? [`Removed ${plural(objects, 'object')} (${sizeText(bytes)}).`] : []),
    ...(rows > 0
      ? [
          `Marked ${plural(rows, 'job')} as failed. The next run processes ${rows === 1 ? 'its file' : 'their files'} again.`,
        ]
      : []),
    ...changed(left, 'orphan'),
    ...(interrupted ? [stopped] : []),
  ]
  return lines.join('\n') || nothing
}

export function reindexText({ leftovers, indexes, needed, free }: ReindexFigures): string {
  if (leftovers.length + indexes.length === 0) return 'No index is worth rebuilding.'
  const room =
    free === undefined
      ? `This needs ${sizeText(needed)} of free disk space on the server, which cannot be seen from here.`
      : `This needs ${sizeText(needed)} of free disk space; ${sizeText(free)} are free.`
  return [
    ...leftovers.map((name) => `drop     ${name}, left behind by an interrupted REINDEX`),
    ...indexes.map(
      ({ name, size, saving }) => `rebuild  ${name}, ${sizeText(size)}, about ${sizeText(saving)} less`,
    ),
    ...(indexes.length > 0 ? [room] : []),
  ].join('\n')
}

export const reindexedText = (index: ReindexedIndex): string =>
  'skipped' in index
    ? `left     ${index.name}: ${index.skipped}`
    : `rebuilt  ${index.name}, ${sizeText(index.before)} -> ${sizeText(index.after)}`

export function reindexDoneText({ dropped, indexes, interrupted }: ReindexResult): string {
  const rebuilt = indexes.flatMap((index) => ('skipped' in index ? [] : index))
  const saved = rebuilt.reduce((sum, { before, after }) => sum + before - after, 0)
  const indexesOf = (count: number) => `${count} ${count === 1 ? 'index' : 'indexes'}`
  const lines = [
    ...(dropped.length > 0 ? [`Dropped ${indexesOf(dropped.length)}.`] : []),
    ...(rebuilt.length > 0 ? [`Rebuilt ${indexesOf(rebuilt.length)}: ${sizeText(saved)} less.`] : []),
    ...(interrupted ? [stopped] : []),
  ]
  return lines.join('\n') || nothing
}
