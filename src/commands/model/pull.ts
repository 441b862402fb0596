import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import { sizeText } from '../../bytes.ts'
import type { Pulled } from '../../model/shelf/pull.ts'
import { environmentVariable as env, modelsFolder } from '../../settings/settings.ts'
import { BaseCommand } from '../../terminal/command.ts'
import { ask } from '../../terminal/confirm.ts'
import { printableOutput } from '../../terminal/printable.ts'
import { byteProgress } from '../../terminal/progress.ts'

export default class ModelPull extends BaseCommand {
  static override summary = 'Download a model, verify it and install it.'
  static override description =
    `Models come from Hugging Face, ModelScope, GitHub or the npm registry, as each is published. What is fetched is checked and tried before it is installed: a file that does not work never becomes the model.

An interrupted download goes on where it stopped; one from the npm registry starts anew. A gated model needs an account that accepted its terms, and that account's token: in ${env('hfToken')}, or of a Hugging Face login on this machine. A copy in the cache of Hugging Face's own tools is taken from there. ${env('hfEndpoint')} names a mirror of Hugging Face; HTTPS_PROXY, HTTP_PROXY and NO_PROXY are honored. What comes from the npm registry is fetched by npm, with its own settings.

A license that restricts use is shown and has to be accepted. Who accepted it, and when, is kept beside the model.`
  static override baseFlags = {}
  static override examples = [
    '<%= config.bin %> model pull rmbg-2.0',
    '<%= config.bin %> model pull isnet --accept-license',
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
      helpValue: 'FILE|URL',
      description: 'install this file instead of the one that is published',
    }),
  }

  async run(): Promise<Pulled> {
    const { args, flags } = await this.parse(ModelPull)
    const { licenseSentence, pullModel } = await import('../../model/shelf/pull.ts')
    const { tryModel } = await import('../../model/trial.ts')
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
          tryIt: (spec) => {
            progress.stop()
            this.logToStderr('Trying it on three pictures.')
            return tryModel(spec, { modelsFolder: modelsFolder(settings.home) })
          },
          acceptsLicense: async (model, name) => {
            // Also with --json, which silences logToStderr: what a license says has to be seen.
            process.stderr.write(`${printableOutput(licenseSentence(name, model))}\n`)
            return flags['accept-license'] || (await ask('Do you accept it?'))
          },
        }).finally(progress.stop),
      { onStop: 'what has come so far is kept where it can be continued', tell: () => {} },
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
