/** `rmbg work` behind its command line. */
import { setTimeout as sleep } from 'node:timers/promises'
import { hasLostImages, requireCampaign } from '../database/campaigns.ts'
import type { Database } from '../database/contract.ts'
import { assertMayRun } from '../database/grants.ts'
import { assertFleet, isQueueInstalled, openQueue } from '../database/queue.ts'
import type { WorkerServices } from '../fleet/campaign-work.ts'
import { candidatesFrom } from '../fleet/candidates.ts'
import { runWorker } from '../fleet/work.ts'
import type { SummaryEvent } from '../process/events.ts'
import { remoteInputs } from '../process/inputs/remote.ts'
import { workingDirectory } from '../system/file-names.ts'
import { openSpill } from '../system/spill.ts'
import type { Frame } from './command.ts'
import type { WorkFlags } from './fleet-flags.ts'
import type { Printer } from './printers/printer.ts'
import { ownershipOf } from './take-over.ts'

/** Between two looks whether somebody has enqueued the first images. */
const firstLookMs = 5000

/**
 * @returns what this worker has done, and whether images of its campaigns failed, here or elsewhere
 * @throws RmbgError
 */
export async function workAsAsked(
  frame: Frame,
  flags: WorkFlags,
  print: Printer,
): Promise<{ summary: SummaryEvent; hasLost: boolean }> {
  const { settings, stop } = frame
  const services = await openServices(frame, flags)
  const { database } = services
  for (const name of flags.name ?? []) await requireCampaign(database.sql, name)
  await untilInstalled(database, flags, { print, signal: stop.signal })
  const queue = await openQueue(database)
  const spill = openSpill()
  const { inputBucket: bucket, isOwnObject: isOwn, patience } = frame.context
  const places = { stdin: process.stdin, cwd: workingDirectory() }
  const remote = remoteInputs({ bucket, isOwn, patience, spill, ...places, signal: stop.signal })
  try {
    const summary = await runWorker(services, queue, {
      names: flags.name,
      ...{ concurrency: settings.concurrency, maxMemory: settings.maxMemory, prefetch: flags.prefetch },
      ...{ drain: flags.drain, graceMs: flags.grace * 1000, signal: stop.signal, onEvent: print },
      candidateOf: candidatesFrom(remote),
      openTelemetry: async (sight) => {
        const { openTelemetry } = await import('../telemetry/open.ts')
        const source = { system: 'pg-boss', destination: flags.name?.join(',') ?? 'campaigns' }
        return openTelemetry({ source, metrics: flags.metrics, ...sight })
      },
    })
    return { summary, hasLost: flags.drain && (await hasLostImages(database.sql, flags.name)) }
  } finally {
    await remote.close()
    await spill.close()
    await queue.close()
  }
}

async function openServices({ context, stop }: Frame, flags: WorkFlags): Promise<WorkerServices> {
  const store = await context.store()
  await store.check(stop.signal)
  const database = await context.database()
  assertFleet(database)
  await assertMayRun(database.sql)
  await context.ownStore(database, ownershipOf({ 'take-over': flags['take-over'] }, { claims: true }))
  return {
    ...{ store, database, masks: (model) => context.modelNamed(model) },
    inputBucket: (name) => context.inputBucket(name),
    outputBucket: (name, prefix) => context.outputBucket(name, prefix),
  }
}

/** The first worker may be there before the first image. */
async function untilInstalled(
  { sql }: Database,
  { drain }: WorkFlags,
  { print, signal }: { print: Printer; signal: AbortSignal },
): Promise<void> {
  for (let isFirst = true; !drain && !signal.aborted && !(await isQueueInstalled(sql)); isFirst = false) {
    if (isFirst)
      print({
        type: 'notice',
        code: 'waiting-for-campaign',
        message: 'Waiting for the first rmbg enqueue.',
      })
    await sleep(firstLookMs, undefined, { signal }).catch(() => {})
  }
}
