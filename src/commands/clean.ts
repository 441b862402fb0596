import * as Flags from '@oclif/core/flags'
import { BaseCommand, type Frame } from '../terminal/command.ts'
import { confirm } from '../terminal/confirm.ts'
import { exitStatus } from '../terminal/exit.ts'
import { progress } from '../terminal/progress.ts'
import { ownershipOf, takeOverFlag } from '../terminal/take-over.ts'
import { cleanedText, cleanQuestion, cleanText, isEmpty } from '../terminal/texts/clean-text.ts'
import { unknownTagText } from '../terminal/texts/upkeep-text.ts'
import type { CleanFigures, CleanResult } from '../upkeep/clean.ts'

export interface CleanOutcome {
  plan: CleanFigures
  /** Absent when nothing was to be done. */
  cleaned?: CleanResult
}

export default class Clean extends BaseCommand {
  static override summary = 'Delete every job of this database with its objects.'
  static override description =
    `Empties the store. Shows what would go and what stays, then asks, or goes ahead with --yes. Jobs that a run is working on stay, and so does everything that rmbg did not make. A store that belongs to another database is refused.

It may be interrupted or killed at any moment: run it again to finish.

Exit status: 0 done, ${exitStatus.usage} refused or wrong usage, ${exitStatus.database} database, ${exitStatus.store} object store, ${exitStatus.interrupted} stopped by Ctrl-C.`
  static override examples = [
    '<%= config.bin %> clean --dry-run',
    '<%= config.bin %> clean --except-tag keep --yes',
  ]
  static override enableJsonFlag = true
  static override flags = {
    'except-tag': Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      description: 'keep jobs with this tag; repeatable, any of them is enough',
    }),
    versions: Flags.boolean({
      default: false,
      description: 'also remove the old versions that a bucket keeps',
    }),
    'dry-run': Flags.boolean({ default: false, description: 'show the plan and stop' }),
    'take-over': takeOverFlag,
    yes: Flags.boolean({ char: 'y', default: false, description: 'do not ask' }),
  }

  async run(): Promise<CleanOutcome> {
    const { flags } = await this.parse(Clean)
    return this.withContext((frame) => this.#clean(frame, flags), {
      onStop: 'the batch in work is finished first',
      namesDatabase: true,
    })
  }

  async #clean(
    { context, stop }: Frame,
    flags: {
      yes: boolean
      'dry-run': boolean
      'take-over': boolean
      versions: boolean
      'except-tag': string[] | undefined
    },
  ): Promise<CleanOutcome> {
    const database = await context.database()
    // Of another database's store even a plan would be wrong: everything in it has no job here.
    const store = await context.ownStore(database, ownershipOf(flags, { claims: false }))
    const { planClean } = await import('../upkeep/clean.ts')
    const { versions, 'except-tag': exceptTags = [] } = flags
    const plan = await planClean({ database, store }, { exceptTags, versions, signal: stop.signal })
    const places = { store: store.location, database: database.location }
    try {
      const { unknownTags } = await import('../database/filters.ts')
      for (const tag of await unknownTags(database.sql, exceptTags)) this.logToStderr(unknownTagText(tag))
      this.log(cleanText(plan.figures, places))
      if (flags['dry-run'] || isEmpty(plan.figures)) return { plan: plan.figures }
      await confirm(cleanQuestion(plan.figures, places), flags)
      const bar = progress('jobs', plan.figures.jobs, { silent: this.jsonEnabled() })
      const cleaned = await plan
        .execute({ signal: stop.signal, onJobs: (jobs) => bar.add(jobs) })
        .finally(() => bar.stop())
      this.log(cleanedText(cleaned))
      if (stop.signal.aborted) process.exitCode = stop.status()
      return { plan: plan.figures, cleaned }
    } finally {
      await plan.close()
    }
  }
}
