import type { Database } from '../database/contract.ts'
import type { Roles } from '../database/grants.ts'
import type { PartitionFigures, PartitionResult } from '../database/partition-log.ts'
import { grantAsAsked, type MigrateFlags } from './migrate-flags.ts'
import { partitionedText, partitionPlanText } from './texts/partition-text.ts'

/** What `--partition` found, and with an execution what it did. */
export type PartitionOutcome = PartitionFigures & Partial<PartitionResult>

/**
 * What `migrate` does besides migrations: months, then rights.
 *
 * @param migrations how many were applied, or would be
 * @throws RmbgError what `partitionAsAsked` and `grantAsAsked` throw
 */
export async function alsoAsAsked(
  database: Database,
  flags: MigrateFlags,
  migrations: number,
  tell: { log(line: string): void; logToStderr(line: string): void },
): Promise<{ partition?: PartitionOutcome; granted?: Roles }> {
  const pending = flags.status || flags['dry-run'] ? migrations : 0
  const partition = flags.status ? {} : await partitionAsAsked(database, flags, pending, tell)
  return { ...partition, ...(await grantAsAsked(database, flags, migrations, tell)) }
}

/**
 * Turns the log into months where a flag asks for it. One that is in months gets those that are to come.
 *
 * @param pending migrations that are not applied: what is converted is the log of this release
 * @throws RmbgError what `planPartition` and `partitionLog` throw
 */
async function partitionAsAsked(
  database: Database,
  flags: { partition: boolean; 'dry-run': boolean },
  pending: number,
  tell: { log(line: string): void; logToStderr(line: string): void },
): Promise<{ partition?: PartitionOutcome }> {
  if (!flags.partition) {
    if (database.kind === 'embedded' || flags['dry-run'] || pending > 0) return {}
    const { ensurePartitions } = await import('../database/partitions.ts')
    for (const line of partitionedText({ months: await ensurePartitions(database.sql), noted: 0 }))
      tell.log(line)
    return {}
  }
  const { assertCanPartition, partitionLog, planPartition } = await import('../database/partition-log.ts')
  await assertCanPartition(database)
  if (pending > 0) {
    tell.logToStderr('The log is looked at once these migrations are applied.')
    return {}
  }
  const figures = await planPartition(database)
  if (flags['dry-run']) {
    tell.log(partitionPlanText(figures))
    return { partition: figures }
  }
  if (figures.state === 'done') tell.logToStderr('The log is in months already.')
  const result = await partitionLog(database, {
    onStep: (sentence) => tell.logToStderr(sentence),
    onBlocked: (sentence) => tell.logToStderr(sentence),
    onWaiting: (holder) => tell.logToStderr(`Waiting for another migrator to finish: ${holder}.`),
  })
  for (const line of partitionedText(result)) tell.log(line)
  return { partition: { ...figures, ...result } }
}
