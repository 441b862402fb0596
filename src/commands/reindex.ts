import * as Flags from '@oclif/core/flags'
import { BaseCommand } from '../terminal/command.ts'
import { exitStatus } from '../terminal/exit.ts'
import { reindexDoneText, reindexedText, reindexText } from '../terminal/texts/upkeep-text.ts'
import type { ReindexFigures, ReindexResult } from '../upkeep/reindex.ts'

export interface ReindexOutcome {
  plan: ReindexFigures
  /** Absent when nothing was to be done. */
  done?: ReindexResult
}

export default class Reindex extends BaseCommand {
  static override summary = 'Rebuild database indexes that would become smaller.'
  static override description =
    `Rebuilds one index at a time, without blocking anybody, and drops what an interrupted rebuild left behind. Each rebuild needs free disk space for a second copy of the index.

Exit status: 0 done, ${exitStatus.usage} wrong usage, ${exitStatus.database} database, ${exitStatus.interrupted} stopped by Ctrl-C.`
  static override examples = ['<%= config.bin %> reindex --dry-run', '<%= config.bin %> reindex --vacuum']
  static override enableJsonFlag = true
  static override flags = {
    vacuum: Flags.boolean({
      default: false,
      description: 'first vacuum and analyze the tables',
      exclusive: ['dry-run'],
    }),
    'dry-run': Flags.boolean({ default: false, description: 'show the plan and stop' }),
  }

  async run(): Promise<ReindexOutcome> {
    const { flags } = await this.parse(Reindex)
    const onStop = 'the index in work is finished first'
    return this.withContext(
      async ({ context, stop: { signal, status } }) => {
        const database = await context.database()
        const { planReindex } = await import('../upkeep/reindex.ts')
        const { vacuumTables } = await import('../database/indexes.ts')
        if (flags.vacuum) await vacuumTables(database.sql, (table) => this.log(`vacuum   ${table}`))
        const plan = await planReindex(database)
        this.log(reindexText(plan.figures))
        const { leftovers, indexes } = plan.figures
        if (flags['dry-run'] || leftovers.length + indexes.length === 0) return { plan: plan.figures }
        const done = await plan.execute({ signal, onIndex: (index) => this.log(reindexedText(index)) })
        this.log(reindexDoneText(done))
        if (signal.aborted) process.exitCode = status()
        return { plan: plan.figures, done }
      },
      { onStop, namesDatabase: true },
    )
  }
}
