import * as Args from '@oclif/core/args'
import { modelsFolder, resolveSettings } from '../../settings/settings.ts'
import { BaseCommand } from '../../terminal/command.ts'

export default class ModelPath extends BaseCommand {
  static override summary = "Print the path of a model's file."
  static override baseFlags = {}
  static override examples = ['<%= config.bin %> model path rmbg-2.0']
  static override enableJsonFlag = true
  static override args = {
    name: Args.string({ required: true, description: 'a built-in or installed model, or auto' }),
  }

  async run(): Promise<{ name: string; variant?: string; file: string; sha256: string }> {
    const { args } = await this.parse(ModelPath)
    const { home } = await resolveSettings({})
    const { resolveModel } = await import('../../model/shelf/registry.ts')
    const { name, variant, file, sha256 } = await resolveModel(args.name, {
      modelsFolder: modelsFolder(home),
    })
    this.log(file)
    return { name, ...(variant !== undefined && { variant }), file, sha256 }
  }
}
