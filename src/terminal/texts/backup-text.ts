import type { WalReport } from '../../database/health/wal.ts'

export function walText(report: WalReport): string {
  const { walLevel, archiveMode, lastArchived, lastArchivedAgeSeconds: age, archived, failed } = report
  return [
    `${report.level.toUpperCase()}  wal_level ${walLevel}, archive_mode ${archiveMode}, ${archived} segments archived, ${failed} failures`,
    ...(lastArchived === null
      ? []
      : [`last archived: ${lastArchived}, ${Math.round((age ?? 0) / 60)} minutes ago`]),
    ...report.problems,
    ...(report.settingsToAdd.length > 0
      ? ['', 'For postgresql.conf (the folder on another disk, owned by postgres):', ...report.settingsToAdd]
      : []),
  ].join('\n')
}
