/** The run among other runs: it keeps the jobs that it holds, and waits for those that others hold. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Database } from '../database/contract.ts'
import { type Run, releaseJobs, renewLeases } from '../database/leases.ts'

/**
 * Renews the leases of a run in the background.
 *
 * @param renewMore renews what else the run has
 * @returns ends the renewing
 */
export function startHeartbeat(
  { sql }: Database,
  run: Run,
  renewMore: () => Promise<void> = async () => {},
): () => void {
  const heartbeat = setInterval(() => {
    // A missed beat is not an error: the next one follows long before the lease ends.
    renewLeases(sql, run).catch(() => {})
    renewMore().catch(() => {})
  }, run.leaseMs / 4)
  return () => clearInterval(heartbeat)
}

/** Frees what a run did not finish, so that others need not wait for its leases to end. */
export async function letGo({ sql }: Database, run: Run): Promise<void> {
  await releaseJobs(sql, run.id).catch(() => {}) // leases end by themselves where this fails
}

/**
 * Works again and again on items that other live runs hold, until each is done there or its lease ends and it is ours.
 *
 * @param work returns the items that are still held
 * @param options.signal ends the waiting
 * @param options.onWait told once, when even a second try found items held, of their number
 */
export async function untilNoneIsHeld<Item>(
  held: readonly Item[],
  work: (items: readonly Item[]) => Promise<readonly Item[]>,
  {
    signal,
    onWait,
    pauseMs = 1000,
  }: { signal: AbortSignal; onWait: (items: number) => void; pauseMs?: number },
): Promise<void> {
  let waiting = held
  for (let round = 0; waiting.length > 0 && !signal.aborted; round++) {
    if (round === 1) onWait(waiting.length)
    if (round > 0) await sleep(pauseMs, undefined, { signal }).catch(() => {})
    waiting = await work(waiting)
  }
}
