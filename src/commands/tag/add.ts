import * as Args from '@oclif/core/args'
import { RmbgError } from '../../errors.ts'
import { BaseCommand } from '../../terminal/command.ts'
import { requireJobIds } from '../../terminal/job-ids.ts'
import { plural } from '../../terminal/plural.ts'

export default class TagAdd extends BaseCommand {
  static override summary = 'Add a tag to jobs.'
  static override examples = [
    '<%= config.bin %> tag add spring 019a6b7e-0000-7000-8000-000000000000',
    '<%= config.bin %> query --name "*-hero.jpg" --all --csv --columns job_id | <%= config.bin %> tag add hero -',
  ]
  static override enableJsonFlag = true
  static override strict = false
  static override args = {
    tag: Args.string({ required: true, ignoreStdin: true, description: 'the tag; created if it is new' }),
    jobs: Args.string({ ignoreStdin: true, description: 'job ids, or - to read them from standard input' }),
  }

  async run(): Promise<{ tag: string; jobs: number }> {
    const { args, argv } = await this.parse(TagAdd)
    const ids = await requireJobIds((argv as string[]).slice(1))
    const { existingJobs, tagJobs, tagName } = await import('../../database/tags.ts')
    const tag = tagName(args.tag)
    await this.withContext(
      async ({ context }) => {
        const { sql } = await context.database()
        const existing = await existingJobs(sql, ids)
        const missing = ids.find((id) => !existing.has(id))
        if (missing) throw new RmbgError('NOT_FOUND', `There is no job ${missing}; nothing was tagged.`)
        await tagJobs(sql, ids, [tag])
      },
      { namesDatabase: true },
    )
    this.logToStderr(`Tagged ${plural(ids.length, 'job')}.`)
    return { tag, jobs: ids.length }
  }
}
