import type { Database } from '../contract.ts'
import { withDatabase } from '../errors.ts'
import { one } from '../rows.ts'
import type { BackupTool } from './base-backups.ts'
import { type HealthLevel, worst } from './contract.ts'
import { lookAtRecovery, type Recovery } from './recovery.ts'

export interface WalReport {
  level: HealthLevel
  walLevel: string
  archiveMode: string
  /** Null where the role may not see it. */
  archiveCommand: string | null
  lastArchived: string | null
  lastArchivedAgeSeconds: number | null
  archived: number
  failed: number
  lastFailed: string | null
  /** What the server can be brought back to now. */
  recovery: Recovery
  /** In one sentence each. */
  problems: string[]
  /** Lines for postgresql.conf. */
  settingsToAdd: string[]
}

/**
 * An archive_command that loses nothing: it accepts a segment that is already archived if the content is the same and
 * refuses it otherwise, and a new segment gets its name only after it is on disk (PostgreSQL documentation, "Setting Up WAL
 * Archiving": never overwrite, return success only when the file is safe).
 *
 * @param folder absolute, without quotes; on another disk than the database
 */
export const archiveCommand = (folder: string): string =>
  `f="${folder}/%f"; if [ -e "$f" ]; then cmp -s "%p" "$f"; else cp "%p" "$f.part" && sync "$f.part" && mv "$f.part" "$f" && sync "${folder}"; fi`

export interface WalOptions {
  /** Asked for base backups, instead of the server and the archive. */
  tool?: BackupTool | undefined
  /** Of the newest base backup, in seconds: an older one is a warning. Eight days, unless it is given. */
  maxAgeSeconds?: number | undefined
  signal?: AbortSignal
}

/**
 * Whether WAL is archived, and whether there is a base backup that it replays onto: one without the other restores
 * nothing.
 *
 * @param folder of the archive, absolute, for the settings to add; undefined takes that of archive_command
 * @throws RmbgError of family `database`, also where the named tool cannot be asked
 */
export async function checkWal(
  database: Database,
  folder?: string,
  options: WalOptions = {},
): Promise<WalReport> {
  const { findings, ...archiving } = await checkArchiving(database, folder)
  const { archiveCommand: command, archiveMode } = archiving
  const { recovery, findings: more } = await lookAtRecovery(
    database,
    { isArchiving: archiveMode !== 'off', command, folder: folder ?? folderIn(command) },
    options,
  )
  const problems = [...findings, ...more]
  return {
    ...archiving,
    recovery,
    level: worst(problems.map(([level]) => level)),
    problems: problems.map(([, problem]) => problem),
  }
}

/** The folder that an archive_command copies to. */
function folderIn(command: string | null): string | undefined {
  return /(\/[^"'\s%]*)\/%f/.exec(command ?? '')?.[1]
}

type Archiving = Omit<WalReport, 'level' | 'problems' | 'recovery'> & { findings: Finding[] }
/** How bad it is, and one sentence. */
export type Finding = readonly [HealthLevel, string]

const usualFolder = '/var/backups/wal'

async function checkArchiving({ sql }: Database, folder: string | undefined): Promise<Archiving> {
  const rows = await withDatabase(
    () => sql`
      select current_setting('wal_level') as "walLevel", current_setting('archive_mode') as "archiveMode",
        (select setting from pg_settings where name = 'archive_command') as "archiveCommand",
        coalesce(current_setting('archive_library', true), '') as library,
        last_archived_wal as "lastArchived", archived_count::float8 as archived, failed_count::float8 as failed,
        extract(epoch from now() - last_archived_time)::float8 as age, last_failed_wal as "lastFailed",
        coalesce(last_failed_time > last_archived_time, last_failed_time is not null) as failing,
        extract(epoch from current_setting('archive_timeout')::interval)::float8 as timeout
      from pg_stat_archiver`,
  )
  const { walLevel, archiveMode, archiveCommand: command, library, age, failing, ...rest } = one(rows)
  const isOn = archiveMode !== 'off'
  const lacksCommand = isOn && !library && (command === '' || command === '(disabled)')
  const findings: Finding[] = [
    ...(walLevel === 'minimal' ? [['crit', 'wal_level is minimal: nothing can be archived.'] as const] : []),
    ...(isOn
      ? []
      : [['warn', 'archive_mode is off: what is written after a dump is lost with the server.'] as const]),
    ...(lacksCommand ? [['crit', 'There is no archive_command: WAL piles up.'] as const] : []),
    ...(failing
      ? [['crit', `Archiving of ${rest.lastFailed} failed, ${rest.failed} times in all.`] as const]
      : []),
    ...(isOn && !failing && !lacksCommand && age === null
      ? [['warn', 'No segment has been archived yet; select pg_switch_wal() sends one.'] as const]
      : []),
    ...(isOn && age > 3600 && !failing
      ? [['warn', `The last segment was archived ${Math.round(age / 60)} minutes ago.`] as const]
      : []),
    ...(isOn && rest.timeout === 0
      ? [['ok', 'archive_timeout is 0: on a quiet server a segment may take days to be full.'] as const]
      : []),
  ]
  const settingsToAdd = [
    ...(walLevel === 'minimal' ? ['wal_level = replica'] : []),
    ...(isOn ? [] : ['archive_mode = on            # takes a restart']),
    ...(!isOn || lacksCommand ? [`archive_command = '${archiveCommand(folder ?? usualFolder)}'`] : []),
    ...(rest.timeout === 0
      ? ['archive_timeout = 300        # seconds that may be lost at most, with a base backup']
      : []),
  ]
  return {
    ...{ walLevel, archiveMode, archiveCommand: command, lastArchivedAgeSeconds: age },
    ...{ lastArchived: rest.lastArchived, archived: rest.archived },
    ...{ failed: rest.failed, lastFailed: rest.lastFailed },
    findings,
    settingsToAdd,
  }
}
