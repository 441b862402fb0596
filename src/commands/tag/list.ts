import * as Flags from '@oclif/core/flags'
import { openContext } from '../../context.ts'
import type { ListedTag } from '../../database/tags.ts'
import { resolveSettings } from '../../settings/settings.ts'
import { BaseCommand } from '../../terminal/command.ts'
import { table } from '../../terminal/table.ts'

export default class TagList extends BaseCommand {
  static override summary = 'List tags, with how many jobs have each.'
  static override enableJsonFlag = true
  static override flags = {
    limit: Flags.integer({ char: 'n', min: 1, max: 10_000, default: 1000, description: 'tags to list' }),
    after: Flags.string({ default: '', description: 'go on behind this name' }),
  }

  async run(): Promise<ListedTag[]> {
    const { flags } = await this.parse(TagList)
    const context = openContext(await resolveSettings({}))
    try {
      const { sql } = await context.database()
      const { listTags } = await import('../../database/tags.ts')
      const tags = await listTags(sql, flags)
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
    } finally {
      await context.close()
    }
  }
}
