import type { Recovery } from '../../database/health/recovery.ts'
import type { WalReport } from '../../database/health/wal.ts'
import { printable } from '../printable.ts'

/** What is archived, what a lost server can be brought back to, and what to do. */
export function walText(report: WalReport): string {
  const { walLevel, archiveMode, lastArchived, lastArchivedAgeSeconds: age, archived, failed } = report
  const { recovery } = report
  return [
    `${report.level.toUpperCase()}  wal_level ${walLevel}, archive_mode ${archiveMode}, ${archived} segments archived, ${failed} failures`,
    ...(lastArchived === null
      ? []
      : [`last archived: ${lastArchived}, ${Math.round((age ?? 0) / 60)} minutes ago`]),
    ...recovery.baseBackups.map(
      ({ place, found, unseen }) =>
        `base backups: ${found === 0 ? (unseen ?? 'none') : `${found}`}  (${place})`,
    ),
    ...report.problems,
    '',
    'What this server can be brought back to, if it is lost now:',
    `  by a dump                 ${dumpText(recovery)}`,
    `  by a base backup and WAL  ${momentsText(recovery, archiveMode)}`,
    'WAL is never replayed onto a restored dump.',
    `Old segments: ${recovery.oldSegments}`,
    ...recovery.advice,
    ...(report.settingsToAdd.length > 0
      ? ['', 'For postgresql.conf (the folder on another disk, owned by postgres):', ...report.settingsToAdd]
      : []),
  ]
    .map(printable)
    .join('\n')
}

const dumpText = ({ dump }: Recovery): string =>
  dump
    ? `the moment of a dump and no other; the newest is of ${momentText(dump.createdAt)}`
    : 'nothing known: no rmbg backup is noted in this database'

function momentsText({ moments, baseBackups }: Recovery, archiveMode: string): string {
  if (moments) {
    const { from, newestBaseBackup } = moments
    return `any moment from ${momentText(from)} on; the newest base backup is of ${momentText(newestBaseBackup.completedAt)}`
  }
  if (archiveMode === 'off') return 'nothing: WAL is not archived'
  const isUnseen = baseBackups.some(({ unseen }) => unseen !== undefined)
  return isUnseen ? 'not known: a base backup was not seen' : 'nothing: there is no base backup'
}

/** With its age: `2026-11-26 03:00 UTC (13 hours ago)`. */
function momentText(at: string): string {
  const hours = (Date.now() - Date.parse(at)) / 3_600_000
  const ago =
    hours < 1
      ? `${Math.round(hours * 60)} minutes`
      : hours < 48
        ? `${Math.round(hours)} hours`
        : `${Math.round(hours / 24)} days`
  return `${at.slice(0, 16).replace('T', ' ')} UTC (${ago} ago)`
}
