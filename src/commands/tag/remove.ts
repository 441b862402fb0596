import * as Args from '@oclif/core/args'
import { openContext } from '../../context.ts'
import { RmbgError } from '../../errors.ts'
import { resolveSettings } from '../../settings/settings.ts'
import { BaseCommand } from '../../terminal/command.ts'
import { readJobIds } from '../../terminal/job-ids.ts'

export default class TagRemove extends BaseCommand {
  static override summary = 'Take a tag from jobs.'
  static override examples = ['<%= config.bin %> tag remove draft 019a6b7e-0000-7000-8000-000000000000']
  static override enableJsonFlag = true
  static override strict = false
  static override args = {
    tag: Args.string({ required: true, ignoreStdin: true, description: 'the tag' }),
    jobs: Args.string({
      ignoreStdin: true,
      description: 'ids of jobs, or - to read them from standard input',
    }),
  }

  async run(): Promise<{ tag: string; jobs: number }> {
    const { args, argv } = await this.parse(TagRemove)
    const ids = await readJobIds((argv as string[]).slice(1))
    if (ids.length === 0) throw new RmbgError('USAGE', 'Which jobs? Name their ids, or - for a list.')
    const context = openContext(await resolveSettings({}))
    try {
      const { sql } = await context.database()
      const { tagName, untagJobs } = await import('../../database/tags.ts')
      const tag = tagName(args.tag)
      const jobs = await untagJobs(sql, ids, [tag])
      this.logToStderr(`Took the tag from ${jobs} ${jobs === 1 ? 'job' : 'jobs'}.`)
      return { tag, jobs }
    } finally {
      await context.close()
    }
  }
}
