import * as Flags from '@oclif/core/flags'
import type { ListedTag } from '../../database/tags.ts'
import { BaseCommand } from '../../terminal/command.ts'
import { table } from '../../terminal/table.ts'

export default class TagList extends BaseCommand {
  static override summary = 'List tags, with the number of jobs of each.'
  static override enableJsonFlag = true
  static override flags = {
    limit: Flags.integer({
      char: 'n',
      min: 1,
      max: 10_000,
      default: 1000,
      description: 'how many tags to list',
    }),
    after: Flags.string({ default: '', description: 'list the tags that follow this name' }),
  }

  async run(): Promise<ListedTag[]> {
    const { flags } = await this.parse(TagList)
    const { listTags } = await import('../../database/tags.ts')
    const tags = await this.withContext(async ({ context }) => {
      const { sql } = await context.database()
      return listTags(sql, flags)
    })
    if (tags.length === 0) this.logToStderr('There are no tags.')
    else {
      const rows = tags.map(({ name, jobs }) => [name, jobs])
      this.log(table(['TAG', 'JOBS'], rows))
    }
    const last = tags.at(-1)
    if (last && tags.length === flags.limit) this.logToStderr(`More: --after ${JSON.stringify(last.name)}`)
    return tags
  }
}
