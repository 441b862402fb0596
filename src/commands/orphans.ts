import * as Flags from '@oclif/core/flags'
import { BaseCommand, type Frame } from '../terminal/command.ts'
import { confirm } from '../terminal/confirm.ts'
import { exitStatus } from '../terminal/exit.ts'
import { age, share } from '../terminal/flags.ts'
import { ownershipOf, takeOverFlag } from '../terminal/take-over.ts'
import { orphansDoneText, orphansQuestion, orphansText, orphanText } from '../terminal/texts/upkeep-text.ts'
import type { OrphanFigures, OrphanOptions, OrphanResult } from '../upkeep/orphans.ts'

export interface OrphansOutcome {
  plan: OrphanFigures
  /** Absent when nothing was to be done. */
  done?: OrphanResult
}

export default class Orphans extends BaseCommand {
  static override summary = 'Find objects without a job and jobs without their objects, and tidy up.'
  static override description =
    `Removes objects that no job refers to. Marks completed jobs as failed when one of their objects is gone, so that the next run processes the file again. Shows what it found, then asks, or goes ahead with --yes. Objects that rmbg did not make are never touched.

Exit status: 0 done, ${exitStatus.usage} refused or wrong usage, ${exitStatus.database} database, ${exitStatus.store} object store, ${exitStatus.interrupted} stopped by Ctrl-C.`
  static override examples = [
    '<%= config.bin %> orphans --dry-run',
    '<%= config.bin %> orphans --grace 7d --keep-rows --yes',
  ]
  static override enableJsonFlag = true
  static override flags = {
    grace: age({ default: '24 hours', description: 'ignore what is younger: it may still be in use' }),
    'keep-objects': Flags.boolean({ default: false, description: 'remove no objects' }),
    'keep-rows': Flags.boolean({ default: false, description: 'leave jobs as they are' }),
    'max-share': share({
      default: 10,
      defaultHelp: async () => '10%',
      description:
        'refuse to remove more than this share of all objects, or to fail more of all completed jobs',
    }),
    'dry-run': Flags.boolean({ default: false, description: 'show the plan and stop' }),
    'take-over': takeOverFlag,
    yes: Flags.boolean({ char: 'y', default: false, description: 'do not ask' }),
  }

  async run(): Promise<OrphansOutcome> {
    const { flags } = await this.parse(Orphans)
    const options = {
      grace: flags.grace,
      maxShare: flags['max-share'],
      keepObjects: flags['keep-objects'],
      keepRows: flags['keep-rows'],
    }
    return this.withContext((frame) => this.#tidy(frame, options, flags), {
      onStop: 'the batch in work is finished first',
      namesDatabase: true,
    })
  }

  async #tidy(
    { context, stop: { signal, status } }: Frame,
    options: Omit<OrphanOptions, 'signal' | 'onOrphan'>,
    flags: { yes: boolean; 'dry-run': boolean; 'take-over': boolean },
  ): Promise<OrphansOutcome> {
    const database = await context.database()
    const isTrial = flags['dry-run'] && flags['take-over']
    // An object is an orphan only in the store of its database; what would be one after a take-over may be looked at.
    const store = isTrial
      ? await context.store()
      : await context.ownStore(database, ownershipOf(flags, { claims: false }))
    const services = { database, store }
    const { planOrphans } = await import('../upkeep/orphans.ts')
    const onOrphan: OrphanOptions['onOrphan'] = (orphan) => this.log(orphanText(orphan))
    const plan = await planOrphans(services, { ...options, signal, onOrphan })
    try {
      this.log(orphansText(plan.figures))
      if (flags['dry-run'] || plan.figures.objects + plan.figures.rows === 0) return { plan: plan.figures }
      plan.assertAllowed()
      await confirm(orphansQuestion(plan.figures), flags)
      const done = await plan.execute({ signal })
      this.log(orphansDoneText(done))
      if (signal.aborted) process.exitCode = status()
      return { plan: plan.figures, done }
    } finally {
      await plan.close()
    }
  }
}
