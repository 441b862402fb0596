import * as Args from '@oclif/core/args'
import type { SimilarTag } from '../../database/filters.ts'
import { BaseCommand } from '../../terminal/command.ts'
import { table } from '../../terminal/table.ts'

export default class TagSearch extends BaseCommand {
  static override summary = 'Find tags by a part of their name, or despite a typo.'
  static override examples = ['<%= config.bin %> tag search sprng']
  static override enableJsonFlag = true
  static override args = {
    text: Args.string({
      required: true,
      ignoreStdin: true,
      description: 'a part of the tag, or something like it',
    }),
  }

  async run(): Promise<SimilarTag[]> {
    const { args } = await this.parse(TagSearch)
    const { similarTags } = await import('../../database/filters.ts')
    const tags = await this.withContext(async ({ context }) => {
      const { sql } = await context.database()
      return similarTags(sql, args.text)
    })
    const rows = tags.map(({ name, similarity }) => [name, similarity.toFixed(2)])
    if (tags.length === 0) this.logToStderr('No similar tag.')
    else this.log(table(['TAG', 'SIMILARITY'], rows))
    return tags
  }
}
