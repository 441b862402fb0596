/** Months that a prune by age takes out of the log as a whole. */
import { setTimeout as sleep } from 'node:timers/promises'
import {
  dropGoneMonth,
  endGonePage,
  goneMonths,
  gonePage,
  retireMonth,
  settleGoneMonth,
} from '../database/gone-months.ts'
import type { DueKind } from '../database/tombstones.ts'
import { foldUsage } from '../database/usage.ts'
import type { RmbgError } from '../errors.ts'
import { failPoint } from '../fail-point.ts'
import {
  keepRate,
  type PruneExecution,
  type PruneResult,
  removeObjectsOf,
  type Services,
} from './retired-objects.ts'

/** Three objects each. */
const pageJobs = 1000
/** Others who have the log in use come first. */
const pauseMs = 500
const tries = 1000 // ten minutes

export interface PlannedMonth {
  /** Such as `2026_05`; `past` is all that came before the log was turned into months. */
  month: string
  /** To delete. */
  jobs: number
  isEstimate: boolean
}

type Options = PruneExecution & { versions: boolean }

/**
 * Takes months out of the log, one after the other, each with its objects. A month that is not due as a whole any more, or
 * has more jobs than were planned, is left for the next prune.
 *
 * @param figures.months oldest first
 * @throws RmbgError DATABASE_ERROR when the log was in use for minutes without a gap
 */
export async function deleteMonths(
  services: Services,
  { months, before }: { months: readonly PlannedMonth[]; before: Partial<Record<DueKind, string>> },
  options: Options,
  result: PruneResult,
): Promise<void> {
  for (const month of months) {
    if (options.signal.aborted) return
    const retired = await retire(services, month, before, options.signal)
    if (retired === undefined) continue
    await failPoint('prune:detached')
    await finishMonth(services, retired, options, result, (jobs, bytes) => {
      result.jobs += jobs
      result.bytes += bytes
      options.onJobs(jobs)
    })
  }
}

/** Goes on with the months that an interrupted prune has taken out. */
export async function finishMonths(services: Services, options: Options, result: PruneResult): Promise<void> {
  for (const gone of await goneMonths(services.database.sql)) {
    if (options.signal.aborted) return
    await finishMonth(services, gone, options, result, () => {})
  }
}

async function retire(
  { database: { sql }, lock }: Services,
  { month, jobs, isEstimate }: PlannedMonth,
  before: Partial<Record<DueKind, string>>,
  signal: AbortSignal,
): Promise<string | undefined> {
  for (let left = tries; !signal.aborted; left--) {
    try {
      const retired = await retireMonth(sql, {
        month,
        before,
        most: isEstimate ? null : jobs,
        lockId: lock.id,
      })
      if (retired === 'changed') return undefined
      if (retired) return retired.gone
      // The lease has ended. Where nobody took the lock since, it is renewed, and the month tried again.
      await lock.assertHeld()
    } catch (error) {
      const isInUse = ((error as RmbgError).cause as { code?: string } | undefined)?.code === '55P03'
      if (!isInUse || left === 0) throw error
      await sleep(pauseMs, undefined, { signal }).catch(() => {})
    }
  }
  return undefined
}

async function finishMonth(
  services: Services,
  gone: string,
  options: Options,
  result: PruneResult,
  onPage: (jobs: number, bytes: number) => void,
): Promise<void> {
  const { sql } = services.database
  await settleGoneMonth(sql, gone)
  await failPoint('prune:settled')
  await foldUsage(sql)
  while (!options.signal.aborted) {
    const startedAt = performance.now()
    const page = await gonePage(sql, gone, pageJobs)
    if (page.length === 0) {
      await dropGoneMonth(sql, gone)
      await failPoint('prune:dropped')
      return
    }
    await removeObjectsOf(services, page, options, result)
    await endGonePage(sql, gone, page)
    await failPoint('prune:deleted')
    onPage(
      page.length,
      page.reduce((sum, { bytes }) => sum + bytes, 0),
    )
    await keepRate(page.length, startedAt, options)
  }
}
