import * as Flags from '@oclif/core/flags'
import type { ListedTag } from '../../database/tags.ts'
import { BaseCommand } from '../../terminal/command.ts'
import { table } from '../../terminal/table.ts'

export default class TagList extends BaseCommand {
  static override summary = 'List tags and how many jobs have each.'
  static override enableJsonFlag = true
  static override flags = {
    limit: Flags.integer({ char: 'n', min: 1, max: 10_000, default: 1000, description: 'tags to list' }),
    after: Flags.string({ default: '', description: 'start after this name' }),
  }

  async run(): Promise<ListedTag[]> {
    const { flags } = await this.parse(TagList)
    const { listTags } = await import('../../database/tags.ts')
    const tags = await this.withContext(async ({ context }) => {
      const { sql } = await context.database()
      return listTags(sql, flags)
    })
    if (tags.length === 0) this.logToStderr('There are no tags.')
    else
      this.log(
        table(
          ['TAG', 'JOBS'],
          tags.map(({ name, jobs }) => [name, jobs]),
        ),
      )
    if (tags.length === flags.limit) this.logToStderr(`More: --after ${JSON.stringify(tags.at(-1)!.name)}`)
    return tags
  }
}
