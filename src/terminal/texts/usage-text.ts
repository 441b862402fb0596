import { sizeText } from '../../bytes.ts'
import type { DiskUsage, StoreUsage, UsedFolder } from '../../jobs/disk-usage.ts'
import { objectKinds } from '../../store/contract.ts'
import { plural } from '../plural.ts'
import { printable } from '../printable.ts'

/** A size, what it is of, and a line of its own for where that is: long paths must not push figures apart. */
function row(name: string, bytes: number, what: string, location?: string): string[] {
  const line = `${name.padEnd(11)} ${sizeText(bytes).padStart(7)}  ${what}`.trimEnd()
  return location === undefined ? [line] : [line, `  ${printable(location)}`]
}

/** For people: the sum of what is ours first, then each part and where it lies. */
export function usageText(usage: DiskUsage): string {
  const { store, database, models, cache, output, backups, free } = usage
  const stored = objectKinds.reduce((sum, kind) => sum + store.kinds[kind].bytes, 0)
  return [
    `${sizeText(stored + database.bytes + models.bytes + cache.bytes)} in all${freeText(free)}.`,
    '',
    ...storeRows(store, stored),
    ...row('database', database.bytes, plural(database.jobs, 'job'), database.location),
    ...folderRow('models', models),
    ...(cache.files > 0 ? folderRow('cache', cache) : []),
    ...(output ? folderRow('output', output) : []),
    ...backups.flatMap((place) => {
      const what = `${plural(place.backups, 'backup')}, the newest of ${place.newest.slice(0, 10)}`
      return row('backups', place.bytes, what, place.location)
    }),
    ...(backups.length === 0 ? ['backups      none known'] : []),
  ].join('\n')
}

const freeText = (free: number | null): string =>
  free === null ? '' : `, ${sizeText(free)} free on the disk of RMBG_HOME`

const folderRow = (name: string, { files, bytes, location }: UsedFolder): string[] =>
  row(name, bytes, plural(files, 'file'), location)

function storeRows(store: StoreUsage, stored: number): string[] {
  const { kinds, awaitingDeletion, keptOfDeletedJobs, foreign, source, location } = store
  const objects = objectKinds.reduce((sum, kind) => sum + kinds[kind].objects, 0)
  const counted = source === 'log' ? 'by the log; --exact counts' : 'counted'
  return [
    ...row('store', stored, `${plural(objects, 'object')} (${counted})`, location),
    ...objectKinds.flatMap((kind) =>
      row(`  ${kind}`, kinds[kind].bytes, plural(kinds[kind].objects, 'object')),
    ),
    ...(awaitingDeletion > 0 ? row('  deleted', awaitingDeletion, 'left by an interrupted prune') : []),
    ...(keptOfDeletedJobs > 0 ? row('  kept', keptOfDeletedJobs, 'of jobs pruned with --keep-objects') : []),
    ...(foreign && foreign.objects > 0
      ? row('  foreign', foreign.bytes, `${plural(foreign.objects, 'object')} not made by rmbg`)
      : []),
  ]
}
