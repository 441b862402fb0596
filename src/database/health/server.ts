import { one } from '../rows.ts'
import { type HealthLevel, type Look, levelOf, worst } from './contract.ts'

const archiving: Look = {
  name: 'wal-archiving',
  serverOnly: true,
  look: async ({ sql }) => {
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
        level: 'ok',
        summary: 'WAL is not archived, so you can only restore to the time of a backup.',
        details: ['rmbg wal prints the settings to add.'],
        metrics: [],
      }
    }
    return {
      level: failing ? 'crit' : age === null || age > 3600 ? 'warn' : 'ok',
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
  look: async ({ lastBackup }) => {
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
      level: worst([levelOf(hours, { warn: 26, crit: 7 * 24 }), drilledAt ? 'ok' : 'warn']),
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

interface Advice {
  setting: string
  value: string
  level: HealthLevel
  advice: string
}

const settings: Look = {
  name: 'settings',
  serverOnly: true,
  look: async ({ sql, machine }) => {
    const rows = await sql<{ name: string; bytes: number | null; value: string }[]>`
      select name, setting as value,
        case unit when '8kB' then setting::float8 * 8192 when 'kB' then setting::float8 * 1024 end as bytes
      from pg_settings where name in ('shared_buffers', 'work_mem', 'maintenance_work_mem', 'wal_level',
        'max_parallel_workers', 'max_parallel_workers_per_gather', 'synchronous_commit', 'autovacuum', 'fsync',
        'full_page_writes')`
    const setting = new Map(rows.map((row) => [row.name, row]))
    const value = (name: string) => setting.get(name)?.value ?? ''
    const bytes = (name: string) => setting.get(name)?.bytes ?? 0
    const advices: Advice[] = []
    const advise = (name: string, level: HealthLevel, advice: string) =>
      advices.push({ setting: name, value: value(name), level, advice })
    const shown = (size: number) => `${Math.round(size / 2 ** 20)}MB`
    if (value('fsync') === 'off') advise('fsync', 'crit', 'on: a crash of the machine destroys the database')
    if (value('full_page_writes') === 'off')
      advise('full_page_writes', 'crit', 'on: a torn page is not repaired')
    if (value('autovacuum') === 'off')
      advise('autovacuum', 'crit', 'on: tables swell and transaction ids run out')
    if (['off', 'local'].includes(value('synchronous_commit'))) {
      advise(
        'synchronous_commit',
        'warn',
        'on: after a crash of the server jobs that were told completed may be gone, their objects then have no row (rmbg orphans finds them)',
      )
    }
    if (value('wal_level') === 'minimal') {
      advise('wal_level', 'warn', 'replica: neither archiving nor a standby works with minimal')
    }
    if (bytes('work_mem') < 4 * 2 ** 20) advise('work_mem', 'warn', '16MB: statistics sort on disk')
    if (bytes('maintenance_work_mem') < 64 * 2 ** 20) {
      advise('maintenance_work_mem', 'warn', '256MB: vacuum and REINDEX go over the indexes several times')
    }
    if (Number(value('max_parallel_workers_per_gather')) === 0) {
      advise('max_parallel_workers_per_gather', 'warn', '2: counting and backups use one core')
    }
    if (machine) {
      const wanted = Math.min(machine.memoryBytes / 4, 16 * 2 ** 30)
      if (bytes('shared_buffers') < wanted / 2) {
        advise('shared_buffers', 'warn', `${shown(wanted)}: a quarter of this machine's memory`)
      }
      if (Number(value('max_parallel_workers')) < Math.min(machine.cores, 8)) {
        advise(
          'max_parallel_workers',
          'warn',
          `${Math.min(machine.cores, 8)}: this machine has ${machine.cores} cores`,
        )
      }
    } else if (bytes('shared_buffers') <= 128 * 2 ** 20) {
      advise('shared_buffers', 'warn', "a quarter of the server's memory: this is what PostgreSQL ships with")
    }
    return {
      level: worst(advices.map(({ level }) => level)),
      summary:
        advices.length === 0
          ? 'The settings fit.'
          : `Other values are recommended for ${advices.map(({ setting: name }) => name).join(', ')}.`,
      details: [
        ...advices.map(({ setting: name, value: now, advice }) => {
          const size = setting.get(name)?.bytes
          return `${name} is ${size ? shown(size) : now}; recommended ${advice}`
        }),
        ...(machine ? [] : ["The server's memory cannot be seen from here."]),
      ],
      metrics: [],
    }
  },
}

export const serverLooks = [archiving, backup, settings]
