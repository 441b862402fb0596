import { sizeText } from '../../bytes.ts'
import type { PrunePlan } from '../../database/tombstones.ts'
import type { Orphan, OrphanCounts } from '../../upkeep/orphans.ts'
import { type PruneResult, plannedRows } from '../../upkeep/prune.ts'
import type { ReindexedIndex, ReindexPlan } from '../../upkeep/reindex.ts'
import { plural } from '../plural.ts'
import { printable } from '../printable.ts'

const day = (time: string | null): string => time?.slice(0, 10) ?? ''

export function planText(plan: PrunePlan, { keepObjects }: { keepObjects: boolean }): string {
  const rows = plannedRows(plan)
  if (rows === 0) return `Nothing is old enough: none of ${plural(plan.totalRows, 'job')} goes.`
  const kinds = Object.entries(plan.rows).flatMap(([kind, number]) => (number > 0 ? `${number} ${kind}` : []))
  const lines = [
    `${plural(rows, 'job')} of ${plan.totalRows} ${rows === 1 ? 'goes' : 'go'}: ${kinds.join(', ')}; created ${day(plan.oldest)} to ${day(plan.newest)}.`,
    keepObjects
      ? `Their objects (${sizeText(plan.bytes)}) stay in the store.`
      : `Their objects hold ${sizeText(plan.bytes)}.`,
  ]
  const without = plan.backups.filter(({ withObjects }) => !withObjects)
  if (plan.backups.length > 0) {
    lines.push(
      `${plural(plan.backups.length, 'backup')} may still refer to them, the newest of ${day(plan.backups[0]!.createdAt)}.`,
    )
  }
  if (without.length > 0 && !keepObjects) {
    lines.push(
      `${without.length} of these ${without.length === 1 ? 'has' : 'have'} no copy of the objects: restored, those jobs would be without them (rmbg backup --objects copies them).`,
    )
  }
  return lines.join('\n')
}

export function resultText(result: PruneResult): string {
  const { jobs, objects, bytes, versions, hidden, interrupted } = result
  const lines = [`Pruned ${plural(jobs, 'job')} and ${plural(objects, 'object')} (${sizeText(bytes)}).`]
  if (versions.versions > 0) {
    lines.push(`Removed ${plural(versions.versions, 'version')}, ${sizeText(versions.bytes)} in all.`)
  }
  if (hidden && objects > 0) {
    lines.push(
      'The bucket keeps old versions: what was removed is hidden, not freed, until they expire; --versions removes them at once.',
    )
  }
  if (interrupted) lines.push('Stopped before the end: run the same command again to go on.')
  return lines.join('\n')
}

export function orphanText(orphan: Orphan): string {
  const key = printable(orphan.key)
  switch (orphan.type) {
    case 'object':
      return `object without a job      ${key}`
    case 'superseded':
      return `object of an earlier try  ${key}`
    case 'row':
      return `job without its object    ${key}`
    case 'foreign':
      return `not ours, left alone      ${key}`
  }
}

export const orphansText = ({ objects, bytes, rows, foreign }: OrphanCounts): string =>
  `${plural(objects, 'object')} without a job (${sizeText(bytes)}), ${plural(rows, 'job')} without ${rows === 1 ? 'its' : 'their'} objects, ${foreign} not ours.`

export function reindexPlanText({ leftovers, indexes, needed, free }: ReindexPlan): string {
  if (leftovers.length + indexes.length === 0) return 'No index is worth building anew.'
  const room =
    free === undefined
      ? `It needs ${sizeText(needed)} of free disk at the server, which cannot be seen from here.`
      : `It needs ${sizeText(needed)} of free disk; there are ${sizeText(free)}.`
  return [
    ...leftovers.map((name) => `drop     ${name}, left behind by an interrupted REINDEX`),
    ...indexes.map(
      ({ name, size, saving }) => `rebuild  ${name}, ${sizeText(size)}, about ${sizeText(saving)} less`,
    ),
    ...(indexes.length > 0 ? [room] : []),
  ].join('\n')
}

export const reindexedText = ({ name, before, after, skipped }: ReindexedIndex): string =>
  skipped === undefined
    ? `rebuilt  ${name}, ${sizeText(before)} -> ${sizeText(after)}`
    : `left     ${name}: ${skipped}`
