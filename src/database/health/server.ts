import { one } from '../rows.ts'
import { fine, type Look, worst } from './contract.ts'

const archiving: Look = {
  name: 'wal-archiving',
  serverOnly: true,
  primaryOnly: true,
  look: async ({ sql, judge }) => {
    const { mode, archived, failed, age, failing } = one(
      await sql`
        select current_setting('archive_mode') as mode, archived_count::float8 as archived,
          failed_count::float8 as failed,
          extract(epoch from now() - last_archived_time)::float8 as age,
          coalesce(last_failed_time > last_archived_time, last_failed_time is not null) as failing
        from pg_stat_archiver`,
    )
    if (mode === 'off') {
      return {
        ...fine('WAL is not archived, so you can only restore to the time of a backup.'),
        details: ['rmbg wal prints the settings to add.'],
      }
    }
    return {
      level: failing ? 'crit' : age === null ? 'warn' : judge('archive-age', age),
      summary: failing
        ? `Archiving fails: ${failed} times so far, the last one later than the last success.`
        : age === null
          ? 'WAL is archived, but no segment has been yet.'
          : `The last WAL segment was archived ${Math.round(age / 60)} minutes ago.`,
      details: failing
        ? ["Look at archive_command and at the server's log; WAL piles up until it works."]
        : [],
      metrics: [
        { name: 'rmbg_wal_archived_total', value: archived, help: 'WAL segments archived.' },
        { name: 'rmbg_wal_archive_failures_total', value: failed, help: 'Failures to archive a segment.' },
      ],
    }
  },
}

const backup: Look = {
  name: 'backup',
  look: async ({ lastBackup, judge }) => {
    if (!lastBackup) {
      return {
        level: 'warn',
        summary: 'There is no backup.',
        details: ['rmbg backup --to takes one.'],
        metrics: [],
      }
    }
    const { createdAt, drilledAt, withObjects } = lastBackup
    const hours = (Date.now() - Date.parse(createdAt)) / 3_600_000
    return {
      level: worst([judge('backup-age', hours * 3600), drilledAt ? 'ok' : 'warn']),
      summary: `The last backup is ${hours < 48 ? `${Math.round(hours)} hours` : `${Math.round(hours / 24)} days`} old and ${drilledAt ? 'was drilled' : 'was never restored for trial'}.`,
      details: [
        ...(drilledAt ? [] : ['rmbg backup --drill restores one into a database that is thrown away.']),
        ...(withObjects ? [] : ['It holds no copies of the images (rmbg backup --objects).']),
      ],
      metrics: [
        {
          name: 'rmbg_last_backup_age_seconds',
          value: Math.round(hours * 3600),
          help: 'Age of the last backup.',
        },
      ],
    }
  },
}

export const serverLooks = [archiving, backup]
