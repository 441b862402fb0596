/** Empties a store: every job with its objects, and what interrupted runs left beside them. */
import type { Database } from '../database/contract.ts'
import { vacuumTables } from '../database/indexes.ts'
import type { LaterBackup, PrunePolicy } from '../database/tombstones.ts'
import type { ObjectStore } from '../store/contract.ts'
import { planOrphans } from './orphans.ts'
import type { Plan } from './plan.ts'
import { type PruneExecution, type PrunePlan, type PruneResult, plannedRows, planPrune } from './prune.ts'

export interface CleanFigures {
  /** Jobs to delete, and the bytes of their objects. */
  jobs: number
  bytes: number
  /** Jobs that stay: those with a tag that keeps them, and those that a run is working on. */
  staying: number
  /** Objects without a job, or of an earlier attempt, and their bytes: they go as well. */
  leftovers: { objects: number; bytes: number }
  /** Objects under our prefixes that are not called like ours; never touched. */
  foreign: number
  /** Retained backups that still hold some of these jobs. */
  backups: LaterBackup[]
}

export interface CleanOptions {
  /** Jobs with one of these tags stay. */
  exceptTags: readonly string[]
  /** Also remove old versions, where the store keeps them. */
  versions: boolean
  signal: AbortSignal
}

export interface CleanResult extends PruneResult {
  /** Objects without a job that were removed, and their bytes. */
  leftovers: { objects: number; bytes: number }
}

export type CleanPlan = Plan<CleanFigures, Pick<PruneExecution, 'signal' | 'onJobs'>, CleanResult> & {
  /** Forgets the lists. Whoever made the plan calls it, carried out or not. */
  close(): Promise<void>
}

/** Of every age; a job that somebody holds a lease of is never due. */
const policy = (exceptTags: readonly string[]): PrunePolicy => ({
  olderThan: { completed: '0 seconds', failed: '0 seconds', abandoned: '0 seconds' },
  keepLast: undefined,
  filter: exceptTags.length > 0 ? { exceptTags } : {},
})

/**
 * Lists everything of this installation in its log and its store. Executed, the plan deletes the jobs with their objects
 * as `prune` does, then what has no job, and then frees the space in the tables. Reads only.
 *
 * @throws RmbgError REFUSED when the clocks cannot be trusted; `execute` also when a prune or a backup is at work
 */
export async function planClean(
  { database, store }: { database: Database; store: ObjectStore },
  { exceptTags, versions, signal }: CleanOptions,
): Promise<CleanPlan> {
  const services = { database, store }
  const prune = await planPrune(
    { database, store: async () => store },
    { policy: policy(exceptTags), maxShare: 100, keepObjects: false, versions, countAll: true },
  )
  const orphans = await planOrphans(services, {
    ...{ grace: '0 seconds', maxShare: 100, keepObjects: false, keepRows: true, signal },
    onOrphan: () => {},
  }).catch(async (error) => {
    await prune.close()
    throw error
  })
  const { objects, bytes, foreign } = orphans.figures
  return {
    figures: { ...jobFigures(prune), leftovers: { objects, bytes }, foreign },
    execute: async (execution) => {
      const pruned = await prune.execute({ rate: Number.POSITIVE_INFINITY, ...execution })
      if (pruned.interrupted) return { ...pruned, leftovers: { objects: 0, bytes: 0 } }
      const removed = await orphans.execute(execution)
      if (!execution.signal.aborted) await vacuumTables(database.sql, () => {})
      await database.flush()
      return {
        ...pruned,
        leftovers: { objects: removed.objects, bytes: removed.bytes },
        interrupted: removed.interrupted,
      }
    },
    close: async () => {
      await prune.close()
      await orphans.close()
    },
  }
}

function jobFigures({ figures }: PrunePlan): Pick<CleanFigures, 'jobs' | 'bytes' | 'staying' | 'backups'> {
  const jobs = plannedRows(figures)
  return { jobs, bytes: figures.bytes, staying: figures.totalRows - jobs, backups: figures.backups }
}
