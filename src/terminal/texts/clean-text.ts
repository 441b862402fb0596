import { sizeText } from '../../bytes.ts'
import type { CleanFigures, CleanResult } from '../../upkeep/clean.ts'
import { plural } from '../plural.ts'
import { printable } from '../printable.ts'

export interface CleanPlaces {
  store: string
  database: string
}

/** What would go, and what stays. */
export function cleanText(figures: CleanFigures, { store, database }: CleanPlaces): string {
  const { jobs, staying, leftovers, foreign, backups } = figures
  const without = leftovers.objects > 0 ? ` and ${plural(leftovers.objects, 'object')} without a job` : ''
  const goes = isEmpty(figures)
    ? 'There is nothing to delete.'
    : `${plural(jobs, 'job')} with all objects${without} (${sizeText(figures.bytes + leftovers.bytes)}) would be deleted.`
  return [
    goes,
    `store     ${printable(store)}`,
    `database  ${printable(database)}`,
    ...(staying > 0
      ? [`${plural(staying, 'job')} ${stays(staying)}: tagged to be kept, or in work at this moment.`]
      : []),
    ...(foreign > 0 ? [`${plural(foreign, 'object')} not made by rmbg ${stays(foreign)}.`] : []),
    ...(backups.length > 0
      ? [`${plural(backups.length, 'backup')} of these jobs ${stays(backups.length)}.`]
      : []),
    'Models, settings, users, tags, statistics and the files in output folders stay.',
  ].join('\n')
}

const stays = (count: number): string => (count === 1 ? 'stays' : 'stay')

export const isEmpty = ({ jobs, leftovers }: CleanFigures): boolean => jobs + leftovers.objects === 0

export const cleanQuestion = ({ jobs, bytes, leftovers }: CleanFigures, { store }: CleanPlaces): string =>
  `Delete ${plural(jobs, 'job')} and everything that rmbg has stored for them (${sizeText(bytes + leftovers.bytes)}) in ${printable(store)}? This cannot be undone.`

export function cleanedText({
  jobs,
  objects,
  bytes,
  leftovers,
  left,
  versions,
  hidden,
  interrupted,
}: CleanResult): string {
  const removed = plural(objects + leftovers.objects, 'object')
  return [
    `Deleted ${plural(jobs, 'job')} and ${removed} (${sizeText(bytes + leftovers.bytes)}).`,
    ...(left > 0 ? [`${plural(left, 'job')} changed in the meantime and ${stays(left)}.`] : []),
    ...(versions.versions > 0 ? [`Removed ${plural(versions.versions, 'old version')}.`] : []),
    ...(hidden && objects > 0
      ? [
          'The bucket keeps old versions, so the objects are hidden and still take up space. --versions removes them.',
        ]
      : []),
    ...(interrupted ? ['Stopped before the end. Run the same command again to go on.'] : []),
  ].join('\n')
}
