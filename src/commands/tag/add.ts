import * as Args from '@oclif/core/args'
import { openContext } from '../../context.ts'
import { RmbgError } from '../../errors.ts'
import { resolveSettings } from '../../settings/settings.ts'
import { BaseCommand } from '../../terminal/command.ts'
import { readJobIds } from '../../terminal/job-ids.ts'

export default class TagAdd extends BaseCommand {
  static override summary = 'Tag jobs.'
  static override examples = [
    '<%= config.bin %> tag add spring 019a6b7e-0000-7000-8000-000000000000',
    '<%= config.bin %> query --name "*-hero.jpg" --all --csv --columns job_id | <%= config.bin %> tag add hero -',
  ]
  static override enableJsonFlag = true
  static override strict = false
  static override args = {
    tag: Args.string({
      required: true,
      ignoreStdin: true,
      description: 'the tag; it is made when it is new',
    }),
    jobs: Args.string({
      ignoreStdin: true,
      description: 'ids of jobs, or - to read them from standard input',
    }),
  }

  async run(): Promise<{ tag: string; jobs: number }> {
    const { args, argv } = await this.parse(TagAdd)
    const ids = await readJobIds((argv as string[]).slice(1))
    if (ids.length === 0) throw new RmbgError('USAGE', 'Which jobs? Name their ids, or - for a list.')
    const context = openContext(await resolveSettings({}))
    try {
      const { sql } = await context.database()
      const { existingJobs, tagJobs, tagName } = await import('../../database/tags.ts')
      const tag = tagName(args.tag)
      const existing = await existingJobs(sql, ids)
      const missing = ids.find((id) => !existing.has(id))
      if (missing) throw new RmbgError('NOT_FOUND', `There is no job ${missing}; nothing was tagged.`)
      await tagJobs(sql, ids, [tag])
      this.logToStderr(`Tagged ${ids.length} ${ids.length === 1 ? 'job' : 'jobs'}.`)
      return { tag, jobs: ids.length }
    } finally {
      await context.close()
    }
  }
}
