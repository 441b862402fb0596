import * as Args from '@oclif/core/args'
import { openContext } from '../../context.ts'
import type { SimilarTag } from '../../database/filters.ts'
import { resolveSettings } from '../../settings/settings.ts'
import { BaseCommand } from '../../terminal/command.ts'
import { table } from '../../terminal/table.ts'

export default class TagSearch extends BaseCommand {
  static override summary = 'Find tags by a part of their name, or one that is spelt almost so.'
  static override examples = ['<%= config.bin %> tag search sprng']
  static override enableJsonFlag = true
  static override args = {
    text: Args.string({ required: true, ignoreStdin: true, description: 'what the tag reads like' }),
  }

  async run(): Promise<SimilarTag[]> {
    const { args } = await this.parse(TagSearch)
    const context = openContext(await resolveSettings({}))
    try {
      const { sql } = await context.database()
      const { similarTags } = await import('../../database/filters.ts')
      const tags = await similarTags(sql, args.text)
      if (tags.length === 0) this.logToStderr('No tag reads like that.')
      else {
        this.log(
          table(
            ['TAG', 'SIMILARITY'],
            tags.map(({ name, similarity }) => [name, similarity.toFixed(2)]),
          ),
        )
      }
      return tags
    } finally {
      await context.close()
    }
  }
}
