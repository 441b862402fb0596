import type { BatchOptions, BatchServices } from '../process/contract.ts'
import type { Candidates } from '../process/inputs.ts'
import { confirm, isTerminal } from './confirm.ts'
import type { Printer } from './printers/printer.ts'

/** So many images are worth a forecast, and so many seconds a question. */
const largeRun = 300
const longRunSeconds = 30 * 60

/**
 * On a terminal, a large run says beforehand what it will take, and a long one asks.
 *
 * @throws RmbgError REFUSED when the answer is not yes
 */
export async function foretell(
  candidates: Candidates,
  { database, masks }: BatchServices,
  run: Pick<BatchOptions, 'cutoutParams' | 'keep' | 'force' | 'dryRun'> & {
    json: boolean
    quiet: boolean
    yes: boolean
    print: Printer
  },
): Promise<void> {
  const isSilent = run.json || run.quiet || run.dryRun || !isTerminal()
  if (isSilent || candidates.length < largeRun || masks === 'from-store') return
  const { estimateRun } = await import('../process/estimate.ts')
  const { estimateNotice } = await import('../process/estimate-notice.ts')
  const { modelParameters, workOf } = await import('../process/work.ts')
  const work = workOf({ model: modelParameters(masks.spec), ...run.cutoutParams })
  const estimate = await estimateRun(candidates, database, { work, keep: run.keep, redo: run.force })
  if (estimate.images < largeRun) return
  run.print(estimateNotice(estimate, { isSampled: true }))
  if ((estimate.seconds ?? 0) < longRunSeconds) return
  await confirm('Start now? What is done when you stop it stays done.', run)
}
