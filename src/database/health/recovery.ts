import { lastBackup } from '../backups.ts'
import type { Database } from '../contract.ts'
import {
  askServer,
  askTool,
  type BaseBackup,
  type BaseBackupLook,
  lookIntoArchive,
  runningBaseBackups,
} from './base-backups.ts'
import type { Finding, WalOptions } from './wal.ts'
import { duration } from './words.ts'

/** What a server can be brought back to, if it is lost now. */
export interface Recovery {
  /** To the moment of the newest dump that `rmbg backup` noted, and of those before it. WAL does not roll it forward. */
  dump: { backupId: string; location: string; createdAt: string } | null
  /** To any moment between the two, by a base backup and archived WAL; null where one of them is missing. */
  moments: { from: string; newestBaseBackup: BaseBackup } | null
  /** Where base backups were looked for, and how many there are; why not, where that cannot be seen. */
  baseBackups: { place: string; found: number; unseen?: string }[]
  /** Base backups on their way at this moment. */
  running: number
  /** What removes old segments; one sentence. */
  oldSegments: string
  /** One sentence each. */
  advice: string[]
}

interface Archive {
  isArchiving: boolean
  command: string | null
  folder: string | undefined
}

/** A weekly base backup, and a day for it to be made. */
const usualMaxAgeSeconds = 8 * 86_400

/**
 * Looks for dumps and base backups, and says what they are good for: a dump is a moment, and WAL replays onto nothing but
 * a base backup.
 */
export async function lookAtRecovery(
  database: Database,
  archive: Archive,
  { tool, signal, maxAgeSeconds = usualMaxAgeSeconds }: WalOptions,
): Promise<{ recovery: Recovery; findings: Finding[] }> {
  const looks = tool
    ? [await askTool(tool, signal)]
    : [
        await askServer(database),
        ...(archive.folder === undefined ? [] : [await lookIntoArchive(archive.folder)]),
      ]
  const found = looks
    .flatMap(({ backups }) => backups)
    .sort((a, b) => Date.parse(a.completedAt) - Date.parse(b.completedAt))
  const [oldest, newest] = [found[0], found.at(-1)]
  const running = await runningBaseBackups(database)
  const dump = await lastBackup(database.sql)
  const recovery: Recovery = {
    dump: dump ? { backupId: dump.backupId, location: dump.location, createdAt: dump.createdAt } : null,
    moments:
      archive.isArchiving && oldest && newest ? { from: oldest.completedAt, newestBaseBackup: newest } : null,
    baseBackups: looks.map(({ place, backups, unseen }) => ({
      ...{ place, found: backups.length },
      ...(unseen !== undefined && { unseen }),
    })),
    running,
    oldSegments: oldSegments(archive, oldest),
    advice: advice(archive, { isFound: newest !== undefined, isNamed: tool !== undefined, running }),
  }
  const findings = judge(looks, { archive, newest, running, maxAgeSeconds, isNamed: tool !== undefined })
  return { recovery, findings }
}

interface Judged {
  archive: Archive
  newest: BaseBackup | undefined
  running: number
  maxAgeSeconds: number
  isNamed: boolean
}

function judge(
  looks: readonly BaseBackupLook[],
  { archive, newest, running, maxAgeSeconds, isNamed }: Judged,
): Finding[] {
  const findings: Finding[] = []
  for (const { place, unseen } of looks) {
    if (isNamed && unseen !== undefined) findings.push(['warn', `${place}: ${unseen}`])
  }
  if (newest) {
    const age = (Date.now() - Date.parse(newest.completedAt)) / 1000
    if (age > maxAgeSeconds) {
      findings.push([
        'warn',
        `The newest base backup is ${days(age)} old: all WAL since then would have to be replayed.`,
      ])
    }
  } else if (archive.isArchiving && running === 0) {
    const isUnseen = looks.every(({ unseen }) => unseen !== undefined)
    findings.push(
      isUnseen && !isNamed
        ? [
            'unknown',
            'Whether there is a base backup cannot be seen; without one the archived WAL restores nothing.',
          ]
        : [
            'warn',
            'No base backup was found, and archived WAL replays onto nothing else: it restores nothing.',
          ],
    )
  }
  return findings
}

const days = (seconds: number): string =>
  seconds < 2 * 86_400 ? duration(seconds) : `${Math.round(seconds / 86_400)} days`

function oldSegments({ isArchiving, command, folder }: Archive, oldest: BaseBackup | undefined): string {
  if (!isArchiving) return 'No WAL is archived.'
  if (/pgbackrest/.test(command ?? '')) {
    return 'pgBackRest removes them with the base backups that need them, once repo1-retention-full is set; without it, nothing does.'
  }
  if (/wal-g/.test(command ?? '')) {
    return 'Nothing removes them but wal-g delete retain, which somebody has to run.'
  }
  const place = folder ?? 'FOLDER'
  return oldest?.firstSegment
    ? `Nothing removes them. Those that the oldest base backup does not need go by: pg_archivecleanup ${place} ${oldest.firstSegment}`
    : `Nothing removes them. After a base backup, pg_archivecleanup ${place} SEGMENT removes those before its first.`
}

function advice(
  { isArchiving, command }: Archive,
  { isFound, isNamed, running }: { isFound: boolean; isNamed: boolean; running: number },
): string[] {
  const [, stanza] = /pgbackrest\b.*--stanza[= ]([\w.-]+)/.exec(command ?? '') ?? []
  const tool = stanza ? `pgbackrest:${stanza}` : /wal-g/.test(command ?? '') ? 'wal-g' : undefined
  return [
    ...(running > 0 ? ['A base backup is on its way.'] : []),
    ...(tool && !isNamed ? [`rmbg wal --base-backups ${tool} asks the tool that archives.`] : []),
    ...(isFound && !isNamed
      ? ['That it was made is all that is seen here; whether its copy is still kept, only who made it knows.']
      : []),
    ...(isArchiving && !isFound && !tool
      ? ['pg_basebackup makes one; pgBackRest and wal-g make them, keep so many, and remove old WAL.']
      : []),
  ]
}
