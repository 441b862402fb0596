import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import { sizeText } from '../../bytes.ts'
import type { Pulled } from '../../model/shelf/pull.ts'
import { environmentVariable as env, modelsFolder } from '../../settings/settings.ts'
import { BaseCommand } from '../../terminal/command.ts'
import { ask } from '../../terminal/confirm.ts'
import { byteProgress } from '../../terminal/progress.ts'

export default class ModelPull extends BaseCommand {
  static override summary = 'Download a model, verify it and install it.'
  static override description =
    `An interrupted download goes on where it stopped. A gated model needs an account that accepted its terms, and that account's token in ${env('hfToken')}. ${env('hfEndpoint')} names a mirror of Hugging Face; HTTPS_PROXY, HTTP_PROXY and NO_PROXY are honored.

A license that restricts use is shown and has to be accepted. Who accepted it, and when, is kept beside the model.`
  static override baseFlags = {}
  static override examples = [
    '<%= config.bin %> model pull rmbg-2.0',
    '<%= config.bin %> model pull rmbg-2.0:q4f16 --accept-license',
    '<%= config.bin %> model pull rmbg-2.0 --from /mnt/usb/model.onnx',
  ]
  static override enableJsonFlag = true
  static override args = {
    name: Args.string({ required: true, description: 'a model that "rmbg model list" shows' }),
  }
  static override flags = {
    'accept-license': Flags.boolean({
      default: false,
      description: 'accept the license without being asked',
    }),
    from: Flags.string({
      helpValue: 'FILE',
      description: 'install this local file instead of downloading one',
    }),
  }

  async run(): Promise<Pulled> {
    const { args, flags } = await this.parse(ModelPull)
    const { licenseSentence, pullModel } = await import('../../model/shelf/pull.ts')
    const progress = byteProgress(args.name)
    const pulled = await this.withContext(
      ({ settings, stop }) =>
        pullModel(args.name, {
          modelsFolder: modelsFolder(settings.home),
          token: settings.hfToken,
          endpoint: settings.hfEndpoint,
          from: flags.from,
          signal: stop.signal,
          onProgress: progress.update,
          acceptsLicense: async (model, name) => {
            this.logToStderr(licenseSentence(name, model))
            return flags['accept-license'] || (await ask('Do you accept it?'))
          },
        }).finally(progress.stop),
      { onStop: 'the download goes on from here next time', tell: () => {} },
    )
    const what = `${pulled.name} (${pulled.variant}), ${sizeText(pulled.size)}`
    this.logToStderr(pulled.wasInstalled ? `${what}, is already installed.` : `Installed ${what}.`)
    if (!pulled.pinned) {
      this.logToStderr(
        'No checksum of this file was known before. From now on it is compared with the one of this copy.',
      )
    }
    this.log(pulled.file)
    return pulled
  }
}
