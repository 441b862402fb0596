/** Every point where a test kills a command. The tests of this folder walk it; README.md prints it. */

import type { FailPoint } from '../../src/fail-point.ts'
import type { ObjectKind } from '../../src/store/contract.ts'
import { isLong } from '../support/long-mode.ts'
import type { VariantName } from './variants.ts'

interface Entry {
  at: FailPoint
  /** What has just been done. */
  moment: string
  next: string
  /** Where the place exists; both unless said. */
  only?: VariantName
}

/** What the image in work leaves behind. */
export interface ImageKillPoint extends Entry {
  command: 'process'
  row: 'none' | 'processing' | 'completed' | 'failed'
  /** Objects that are certainly there, and those that may be. */
  objects: readonly ObjectKind[]
  perhaps: readonly ObjectKind[]
  hasOutput: boolean
}

export interface OtherKillPoint extends Entry {
  command: 'any' | 'migrate' | 'migrate --partition' | 'prune' | 'orphans' | 'backup' | 'restore'
  left: string
}

const all = ['original', 'mask', 'processed'] as const
const none = { row: 'none', objects: [], perhaps: [], hasOutput: false } as const
const claimed = { ...none, row: 'processing' } as const
const begun = { ...claimed, perhaps: ['original'] } as const

const anew = 'does the image, for the first time'
const again =
  'takes the job up at once, for its holder is dead: same id, attempt 2, whose keys are its own; it removes what attempt 1 left'
const done = 'skips the image'

export const imageKillPoints: ImageKillPoint[] = (
  [
    { at: 'process:read', moment: 'the file is read and its digest known', ...none, next: anew },
    { at: 'process:claimed', moment: 'the job is claimed, with its tags', ...claimed, next: again },
    {
      at: 'store:staged',
      moment: 'an object (here the original) is written beside the store, not yet renamed into it',
      ...{
        ...claimed,
        next: `${again}; the unfinished file goes after a day`,
        only: 'embedded',
      },
    },
    {
      at: 'store:renamed',
      moment: 'the object is renamed, its folder not yet flushed',
      ...{ ...claimed, objects: ['original'], next: again, only: 'embedded' },
    },
    { at: 'process:decoded', moment: 'the pixels are decoded, in a thread', ...begun, next: again },
    { at: 'process:matte', moment: 'the model has answered', ...begun, next: again },
    { at: 'process:encoded', moment: 'mask and cut-out are encoded', ...begun, next: again },
    { at: 'process:returned', moment: 'and handed over by their thread', ...begun, next: again },
    {
      at: 'process:uploading',
      moment: 'all three objects are on their way',
      ...begun,
      perhaps: all,
      next: again,
    },
    {
      at: 'process:stored',
      moment: 'the store has acknowledged all three objects',
      ...{ ...begun, objects: all, perhaps: [], next: again },
    },
    {
      at: 'process:completed',
      moment: 'the row is completed, the cut-out not yet in the output folder',
      ...{ ...begun, row: 'completed', objects: all, perhaps: [], next: `${done} and restores its cut-out` },
    },
    {
      at: 'process:written',
      moment: 'the cut-out is in the output folder, nobody was told',
      ...{ ...begun, row: 'completed', objects: all, perhaps: [], hasOutput: true, next: done },
    },
    {
      at: 'process:failed',
      moment: 'the failure of a broken file is logged, nobody was told',
      ...{ ...none, row: 'failed', next: 'fails it again in the same row, attempt 2' },
    },
    {
      at: 'process:ended',
      moment: 'every image is done, the run not yet closed',
      ...{ ...none, next: 'skips all images' },
    },
  ] satisfies Omit<ImageKillPoint, 'command'>[]
).map((killPoint) => ({ ...killPoint, command: 'process' }))

export const migrateKillPoints: OtherKillPoint[] = (
  [
    {
      at: 'migrate:begun',
      moment: 'before a migration',
      left: 'the migrations before it',
      next: 'goes on with it',
    },
    {
      at: 'migrate:applied',
      moment: 'a migration and its record are written, not committed',
      left: 'the migrations before it',
      next: 'applies it again',
    },
    {
      at: 'migrate:committed',
      moment: 'a migration is committed',
      left: 'the migrations up to it',
      next: 'goes on with the next',
    },
  ] satisfies Omit<OtherKillPoint, 'command'>[]
).map((killPoint) => ({ ...killPoint, command: 'migrate' }))

/** In the order in which a conversion gets there; a kill at each in turn leaves less for the next. */
export const partitionKillPoints: OtherKillPoint[] = (
  [
    {
      at: 'partition:checking',
      moment: 'the log has a check for the ids of jobs, not yet validated',
      left: 'that check, which refuses no job of this month',
      next: 'validates it',
    },
    {
      at: 'partition:checked',
      moment: 'jobs and tags are known to have the ids that they should',
      left: 'the checks',
      next: 'takes them as they are',
    },
    {
      at: 'partition:converting',
      moment: 'the log is in months, not committed',
      left: 'one table, with the checks',
      next: 'converts it',
    },
    {
      at: 'partition:converted',
      moment: 'the log is in months',
      left: 'a log in months, whose look-ups go to each of them',
      next: 'makes the months to come and notes the keys',
    },
    {
      at: 'partition:noted',
      moment: 'the keys of some jobs are noted',
      left: 'the same, with those keys',
      next: 'notes the others, and looks things up by them',
    },
  ] satisfies Omit<OtherKillPoint, 'command' | 'only'>[]
).map((killPoint) => ({ ...killPoint, command: 'migrate --partition', only: 'servers' }))

/** Of a prune that takes a whole month; in the order in which it gets there. */
export const monthKillPoints: OtherKillPoint[] = (
  [
    {
      at: 'prune:detached',
      moment: 'a month is out of the log',
      left: 'its table, all objects',
      next: 'takes its bytes from the statistics, and removes the objects',
    },
    {
      at: 'prune:settled',
      moment: 'its bytes are out of the statistics, and originals that others share count for those',
      left: 'its table, all objects',
      next: 'removes the objects',
    },
    {
      at: 'prune:dropped',
      moment: 'the objects and the table of a month are gone',
      left: 'nothing of that month',
      next: 'goes on with the next',
    },
  ] satisfies Omit<OtherKillPoint, 'command' | 'only'>[]
).map((killPoint) => ({ ...killPoint, command: 'prune', only: 'servers' }))

export const pruneKillPoints: OtherKillPoint[] = [
  {
    command: 'prune',
    at: 'prune:retired',
    moment: 'a batch of rows became tombstones',
    left: 'tombstones, all objects',
    next: 'first removes the objects of the tombstones',
  },
  {
    command: 'prune',
    at: 'prune:removed',
    moment: 'the objects of the tombstones are removed',
    left: 'tombstones without objects',
    next: 'removes them again, and the tombstones',
  },
  {
    command: 'prune',
    at: 'prune:deleted',
    moment: 'the tombstones are removed too',
    left: 'nothing of that batch',
    next: 'goes on with the next batch',
  },
  {
    command: 'orphans',
    at: 'orphans:removed',
    moment: 'a batch of objects without a job is removed',
    left: 'the other orphans',
    next: 'finds them',
  },
]

const unfinished = 'a folder without a manifest, which is no backup'
const cleared = 'removes that folder and takes a backup'

export const backupKillPoints: OtherKillPoint[] = (
  [
    { at: 'backup:begun', moment: 'the snapshot is open', left: 'nothing', next: 'takes a backup' },
    { at: 'backup:dumped', moment: 'the dump is written', left: unfinished, next: cleared },
    {
      at: 'backup:object',
      moment: 'an object is copied',
      left: `${unfinished}; copies of objects`,
      next: `${cleared}; copies only the other objects`,
    },
    {
      at: 'backup:listed',
      moment: 'all objects are copied and listed',
      left: `${unfinished}; copies of all objects`,
      next: `${cleared}; copies none`,
    },
    {
      at: 'backup:done',
      moment: 'the manifest is written, the log does not know of it',
      left: 'a whole backup',
      next: 'takes another one',
    },
    {
      at: 'backup:drilled',
      moment: 'the backup is restored for trial',
      left: 'a whole backup, called not drilled; the trial database',
      next: 'takes another one; its drill removes that database',
    },
    {
      at: 'backup:expiring',
      moment: 'an old backup is removed, its objects are not',
      left: 'the newer backups; copies that nobody needs',
      next: 'removes those copies when it next removes a backup',
    },
  ] satisfies Omit<OtherKillPoint, 'command'>[]
).map((killPoint) => ({ ...killPoint, command: 'backup' }))

export const restoreKillPoints: OtherKillPoint[] = (
  [
    {
      at: 'restore:restored',
      moment: 'the database is restored, not yet compared',
      left: 'the whole database, no objects',
      next: 'sees that it is restored, and puts the objects back',
    },
    {
      at: 'restore:object',
      moment: 'an object is on its way back',
      left: 'the whole database, some objects',
      next: 'puts the other objects back',
    },
  ] satisfies Omit<OtherKillPoint, 'command'>[]
).map((killPoint) => ({ ...killPoint, command: 'restore' }))

/** Walked by test/database/embedded.integration.test.ts. */
const openingKillPoints: OtherKillPoint[] = [
  {
    command: 'any',
    at: 'database:made',
    moment: 'the files of a new embedded database are written, beside their place',
    left: 'files that are no database yet',
    next: 'removes them and makes the database',
    only: 'embedded',
  },
]

export const killPoints = [
  ...openingKillPoints,
  ...imageKillPoints,
  ...migrateKillPoints,
  ...partitionKillPoints,
  ...pruneKillPoints,
  ...monthKillPoints,
  ...backupKillPoints,
  ...restoreKillPoints,
]

/** Outside of long mode each point is taken once, in the two variants in turn. */
export const killPointsIn = <T extends Entry>(list: readonly T[], variant: VariantName): T[] =>
  list.filter(({ only }, index) =>
    only === undefined && !isLong
      ? (index % 2 === 0) === (variant === 'embedded')
      : (only ?? variant) === variant,
  )

/** What a kill there leaves behind, in words. */
export function leftBehind(killPoint: ImageKillPoint | OtherKillPoint): string {
  if ('left' in killPoint) return killPoint.left
  const { row, objects, perhaps, hasOutput, at } = killPoint
  const rows = {
    none: at === 'process:ended' ? 'completed rows' : 'no row',
    processing: 'an open job with its tags, and its lease',
    completed: 'a row `completed` with its tags',
    failed: 'a row `failed` with its tags',
  }
  return [
    rows[row],
    ...(objects.length > 0 ? [`${listed(objects)}`] : []),
    ...(perhaps.length > 0 ? [`perhaps ${listed(perhaps)}`] : []),
    ...(at === 'store:staged' ? ['an unfinished file in `.incoming`'] : []),
    ...(hasOutput ? ['its local cut-out'] : []),
  ].join('; ')
}

const listed = (kinds: readonly ObjectKind[]) =>
  kinds.length === 3 ? 'all three objects' : `the ${kinds.join(', ')}`
