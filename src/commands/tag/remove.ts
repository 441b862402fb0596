import * as Args from '@oclif/core/args'
import { BaseCommand } from '../../terminal/command.ts'
import { requireJobIds } from '../../terminal/job-ids.ts'
import { plural } from '../../terminal/plural.ts'

export default class TagRemove extends BaseCommand {
  static override summary = 'Remove a tag from jobs.'
  static override examples = ['<%= config.bin %> tag remove draft 019a6b7e-0000-7000-8000-000000000000']
  static override enableJsonFlag = true
  static override strict = false
  static override args = {
    tag: Args.string({ required: true, ignoreStdin: true, description: 'the tag' }),
    jobs: Args.string({ ignoreStdin: true, description: 'job ids, or - to read them from standard input' }),
  }

  async run(): Promise<{ tag: string; jobs: number }> {
    const { args, argv } = await this.parse(TagRemove)
    const ids = await requireJobIds((argv as string[]).slice(1))
    const { tagName, untagJobs } = await import('../../database/tags.ts')
    const tag = tagName(args.tag)
    const jobs = await this.withContext(
      async ({ context }) => {
        const { sql } = await context.database()
        return untagJobs(sql, ids, [tag])
      },
      { namesDatabase: true },
    )
    this.logToStderr(`Removed the tag from ${plural(jobs, 'job')}.`)
    return { tag, jobs }
  }
}
