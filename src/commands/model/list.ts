import { sizeText } from '../../bytes.ts'
import type { ListedModel } from '../../model/shelf/list.ts'
import { modelsFolder, resolveSettings } from '../../settings/settings.ts'
import { BaseCommand } from '../../terminal/command.ts'
import { outputWidth, wrapped } from '../../terminal/table.ts'

export default class ModelList extends BaseCommand {
  static override summary = 'List the models that are built in, installed or available for download.'
  static override baseFlags = {}
  static override examples = ['<%= config.bin %> model list', '<%= config.bin %> model list --json']
  static override enableJsonFlag = true

  async run(): Promise<ListedModel[]> {
    await this.parse(ModelList)
    const { home } = await resolveSettings({})
    const { listModels } = await import('../../model/shelf/list.ts')
    const models = await listModels(modelsFolder(home))
    const width = Math.max(...models.map(({ name }) => name.length))
    for (const { name, state, size, license, summary } of models) {
      const columns = [name.padEnd(width), state.padEnd(9), sizeText(size).padStart(7), license]
      this.log(columns.join('  '))
      const indent = ' '.repeat(Math.min(width + 2, outputWidth() / 4))
      for (const line of summary ? wrapped(summary, outputWidth() - indent.length) : [])
        this.log(`${indent}${line}`)
    }
    return models
  }
}
