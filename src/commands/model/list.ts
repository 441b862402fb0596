import type { ListedModel } from '../../model/shelf/list.ts'
import { modelsFolder, resolveSettings } from '../../settings/settings.ts'
import { BaseCommand } from '../../terminal/command.ts'
import { modelListText } from '../../terminal/texts/model-text.ts'

export default class ModelList extends BaseCommand {
  static override summary =
    'List the models that are built in, in the models folder, or available for download.'
  static override baseFlags = {}
  static override examples = ['<%= config.bin %> model list', '<%= config.bin %> model list --json']
  static override enableJsonFlag = true

  async run(): Promise<ListedModel[]> {
    await this.parse(ModelList)
    const { home } = await resolveSettings({})
    const { listModels } = await import('../../model/shelf/list.ts')
    const models = await listModels(modelsFolder(home))
    this.log(modelListText(models, process.stdout.columns ?? Number.POSITIVE_INFINITY))
    return models
  }
}
