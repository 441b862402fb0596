import type { Manifest } from '../../backup/manifest.ts'
import type { BackupResult } from '../../backup/take.ts'
import type { VerifiedBackup } from '../../backup/verify.ts'
import { sizeText } from '../../bytes.ts'
import { plural } from '../plural.ts'
import { printable } from '../printable.ts'
import { table } from '../table.ts'

const jobsIn = ({ database }: Manifest): number | undefined =>
  database.tables.find(({ table: name }) => name === 'image_process_jobs')?.rows

/** What a backup holds, and what became of older ones. */
export function backupText(
  { manifest, copied, drilled, removed }: Pick<BackupResult, 'manifest' | 'copied' | 'drilled' | 'removed'>,
  location: string,
): string {
  const { backupId, database, objects } = manifest
  return [
    `${backupId} in ${location}`,
    `database  ${plural(jobsIn(manifest) ?? 0, 'job')}, ${sizeText(database.bytes)}`,
    objects.copied
      ? `objects   ${objects.count}, ${sizeText(objects.bytes)}; ${copied} copied now`
      : 'objects   none: this backup needs the object store as it is (--objects copies them)',
    drilled
      ? `drill     restored in ${(drilled.restoreMs / 1000).toFixed(1)} s, same rows; ${plural(drilled.objectsChecked, 'object')} checked`
      : 'drill     not done: use --drill to test that it restores',
    ...removed.map((id) => `removed   ${id}`),
  ].join('\n')
}

/** One sentence each about objects that the backup lacks. */
export function backupWarnings({ missing, damaged }: Pick<BackupResult, 'missing' | 'damaged'>): string[] {
  return [
    ...(missing.length > 0
      ? [
          `Not in the store: ${plural(missing.length, 'object')} of completed jobs, such as ${missing[0]}. rmbg orphans finds their jobs.`,
        ]
      : []),
    ...(damaged.length > 0
      ? [
          `Damaged in the store: ${plural(damaged.length, 'object')} of completed jobs, such as ${damaged[0]}. Look in an older backup, or make them again with rmbg process --force.`,
        ]
      : []),
  ]
}

export const backupTable = (manifests: readonly Manifest[]): string =>
  table(
    ['BACKUP', 'OF', 'DUMP', 'JOBS', 'OBJECTS', 'DRILLED'],
    manifests.map((manifest) => {
      const { backupId, database, objects, drill } = manifest
      return [
        backupId,
        `${database.kind === 'server' ? 'PostgreSQL' : 'embedded'} ${database.version}`,
        sizeText(database.bytes),
        jobsIn(manifest),
        objects.copied ? `${objects.count}, ${sizeText(objects.bytes)}` : 'not copied',
        drill ? drill.at.slice(0, 16).replace('T', ' ') : 'never',
      ]
    }),
  )

export const verifiedText = ({ backupId, damages, objectsRead }: VerifiedBackup): string =>
  [
    ...damages.map(printable),
    damages.length === 0
      ? `${backupId} is intact: the dump and ${plural(objectsRead, 'object')} are as they were written.`
      : `${backupId} is damaged in ${plural(damages.length, 'place')}.`,
  ].join('\n')
