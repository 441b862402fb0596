import * as Args from '@oclif/core/args'
import { modelsFolder, resolveSettings } from '../../settings/settings.ts'
import { BaseCommand } from '../../terminal/command.ts'

export default class ModelRemove extends BaseCommand {
  static override summary = 'Delete an installed model.'
  static override baseFlags = {}
  static override examples = ['<%= config.bin %> model remove rmbg-2.0:q4f16']
  static override enableJsonFlag = true
  static override args = {
    name: Args.string({
      required: true,
      description: 'a model, such as rmbg-2.0 for all its variants or rmbg-2.0:q4f16 for one',
    }),
  }

  async run(): Promise<{ removed: string[] }> {
    const { args } = await this.parse(ModelRemove)
    const { home } = await resolveSettings({})
    const { removeModel } = await import('../../model/shelf/remove.ts')
    const removed = await removeModel(modelsFolder(home), args.name)
    for (const file of removed) this.log(`removed  ${file}`)
    return { removed }
  }
}
