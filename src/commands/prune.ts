import * as Flags from '@oclif/core/flags'
import type { Database } from '../database/contract.ts'
import { BaseCommand, type Frame } from '../terminal/command.ts'
import { confirm } from '../terminal/confirm.ts'
import { exitStatus } from '../terminal/exit.ts'
import { share } from '../terminal/flags.ts'
import { policyFlags, toPolicy } from '../terminal/policy-flags.ts'
import { progress } from '../terminal/progress.ts'
import { ownershipOf, takeOverFlag } from '../terminal/take-over.ts'
import { prunedText, pruneQuestion, pruneText, unknownTagText } from '../terminal/texts/upkeep-text.ts'
import type { PruneFigures, PruneOptions, PruneResult } from '../upkeep/prune.ts'

export interface PruneOutcome {
  plan: PruneFigures
  /** Absent when nothing was to be done. */
  pruned?: PruneResult
}

export default class Prune extends BaseCommand {
  static override summary = 'Delete old jobs with their objects.'
  static override description =
    `Shows what would be deleted, then asks, or goes ahead with --yes. Without other options: completed jobs older than 6 months, by the clock of the database. Statistics keep counting deleted jobs.

It may be interrupted or killed at any moment: run it again to finish.

Exit status: 0 done, ${exitStatus.usage} refused or wrong usage, ${exitStatus.database} database, ${exitStatus.store} object store, ${exitStatus.interrupted} stopped by Ctrl-C.`
  static override usage = 'prune [POLICY] [--keep-objects] [--versions] [--vacuum] [--dry-run] [--yes]'
  static override examples = [
    '<%= config.bin %> prune --dry-run',
    '<%= config.bin %> prune --older-than 90d --except-tag keep --yes',
    '<%= config.bin %> prune --keep-last 1000 --failed-older-than 30d --abandoned-older-than 7d --yes',
  ]
  static override enableJsonFlag = true
  static override flags = {
    ...policyFlags,
    'keep-objects': Flags.boolean({ default: false, description: 'leave the objects in the store' }),
    versions: Flags.boolean({
      default: false,
      description: 'also remove the old versions that a bucket keeps',
    }),
    'max-share': share({
      default: 50,
      defaultHelp: async () => '50%',
      description: 'refuse to delete more than this share of all jobs',
    }),
    rate: Flags.integer({ min: 1, default: 2000, helpValue: 'N', description: 'jobs per second at most' }),
    vacuum: Flags.boolean({ default: false, description: 'then vacuum and analyze the tables' }),
    'dry-run': Flags.boolean({ default: false, description: 'show the plan and stop' }),
    'take-over': takeOverFlag,
    yes: Flags.boolean({ char: 'y', default: false, description: 'do not ask' }),
  }

  async run(): Promise<PruneOutcome> {
    const { flags } = await this.parse(Prune)
    const options: PruneOptions = {
      policy: toPolicy(flags),
      maxShare: flags['max-share'],
      keepObjects: flags['keep-objects'],
      versions: flags.versions,
    }
    return this.withContext((frame) => this.#prune(frame, options, flags), {
      onStop: 'the batch in work is finished first',
      namesDatabase: true,
    })
  }

  async #prune(
    { context, stop }: Frame,
    options: PruneOptions,
    flags: { yes: boolean; rate: number; vacuum: boolean; 'dry-run': boolean; 'take-over': boolean },
  ): Promise<PruneOutcome> {
    const database = await context.database()
    const { planPrune, plannedRows } = await import('../upkeep/prune.ts')
    const plan = await planPrune({ database, store: context.store }, options)
    try {
      const rows = plannedRows(plan.figures)
      await this.#tellOfUnknownTags(database, options)
      this.log(pruneText(plan.figures, options))
      plan.assertAllowed()
      if (flags['dry-run']) return { plan: plan.figures }
      await context.ownStore(database, ownershipOf(flags, { claims: false }))
      if (rows > 0) await confirm(pruneQuestion(plan.figures, options), flags)
      const bar = progress('jobs', rows, { silent: this.jsonEnabled() })
      const pruned = await plan
        .execute({ rate: flags.rate, signal: stop.signal, onJobs: (jobs) => bar.add(jobs) })
        .finally(() => bar.stop())
      if (rows > 0 || pruned.objects > 0) this.log(prunedText(pruned))
      if (flags.vacuum && !stop.signal.aborted) {
        const { vacuumTables } = await import('../database/indexes.ts')
        await vacuumTables(database.sql, (table) => this.log(`vacuum   ${table}`))
      }
      if (stop.signal.aborted) process.exitCode = stop.status()
      return { plan: plan.figures, pruned }
    } finally {
      await plan.close()
    }
  }

  /** A tag may be excepted before anybody has made it; a mistyped one must not go unnoticed. */
  async #tellOfUnknownTags({ sql }: Database, { policy }: PruneOptions): Promise<void> {
    const { unknownTags } = await import('../database/filters.ts')
    for (const tag of await unknownTags(sql, policy.filter.exceptTags ?? []))
      this.logToStderr(unknownTagText(tag))
  }
}
