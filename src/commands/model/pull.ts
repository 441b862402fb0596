import { createInterface } from 'node:readline/promises'
import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import { SingleBar } from 'cli-progress'
import type { Pulled } from '../../model/shelf/pull.ts'
import { environmentVariable as env, modelsFolder, resolveSettings } from '../../settings/settings.ts'
import { sizeText } from '../../terminal/bytes.ts'
import { BaseCommand } from '../../terminal/command.ts'
import { onStopSignals } from '../../terminal/signals.ts'

export default class ModelPull extends BaseCommand {
  static override summary = 'Fetch a model, check it and install it.'
  static override description =
    `Goes on where an earlier try stopped. A gated model needs an account whose owner accepted its terms, and ${env('hfToken')}; ${env('hfEndpoint')} names a mirror; HTTPS_PROXY, HTTP_PROXY and NO_PROXY are honoured. A licence that restricts use is shown and has to be accepted; who accepted it is kept beside the model.`
  static override examples = [
    '<%= config.bin %> model pull rmbg-2.0',
    '<%= config.bin %> model pull rmbg-2.0:q4f16 --accept-license',
    '<%= config.bin %> model pull rmbg-2.0 --from /mnt/usb/model.onnx',
  ]
  static override enableJsonFlag = true
  static override args = {
    name: Args.string({ required: true, description: 'a model of "rmbg model list"' }),
  }
  static override flags = {
    'accept-license': Flags.boolean({
      default: false,
      description: 'accept the licence without being asked',
    }),
    from: Flags.string({ helpValue: 'FILE', description: 'install a file that is here already' }),
  }

  async run(): Promise<Pulled> {
    const { args, flags } = await this.parse(ModelPull)
    const { home, hfToken, hfEndpoint } = await resolveSettings({})
    const { licenceSentence, pullModel } = await import('../../model/shelf/pull.ts')
    const progress = this.progress(args.name)
    const stop = onStopSignals(() => {}, '')
    try {
      const pulled = await pullModel(args.name, {
        modelsFolder: modelsFolder(home),
        token: hfToken,
        endpoint: hfEndpoint,
        from: flags.from,
        signal: stop.signal,
        onProgress: progress.update,
        acceptsLicence: async (model, name) => {
          this.logToStderr(licenceSentence(name, model))
          return flags['accept-license'] || (await this.ask('Do you accept it? [y/N] '))
        },
      })
      progress.stop()
      const what = `${pulled.name} (${pulled.variant}), ${sizeText(pulled.size)}`
      this.logToStderr(pulled.wasInstalled ? `${what}, is installed already.` : `Installed ${what}.`)
      if (!pulled.pinned) {
        this.logToStderr(
          'No digest of this file was known before; from now on it is held to that of this copy.',
        )
      }
      this.log(pulled.file)
      return pulled
    } catch (error) {
      progress.stop()
      if (!stop.signal.aborted) throw error
      this.logToStderr('Stopped. Run the same command again to go on where it stopped.')
      return this.exit(stop.status())
    } finally {
      stop.release()
    }
  }

  private async ask(question: string): Promise<boolean> {
    if (!process.stdin.isTTY || !process.stderr.isTTY) return false
    const terminal = createInterface({ input: process.stdin, output: process.stderr })
    try {
      return /^y(es)?$/i.test((await terminal.question(question)).trim())
    } finally {
      terminal.close()
    }
  }

  /** A bar on a terminal, a line every tenth elsewhere. */
  private progress(name: string) {
    const bar = new SingleBar({
      format: `${name} {bar} {percentage}%  {got} of {all}  ETA {eta_formatted}`,
      stream: process.stderr,
      hideCursor: true,
      gracefulExit: false,
    })
    let tenths = -1
    const update = (received: number, total: number | undefined) => {
      if (process.stderr.isTTY) {
        const payload = { got: sizeText(received), all: sizeText(total) || '?' }
        if (!bar.isActive) bar.start(total ?? received, received, payload)
        else bar.update(received, payload)
        return
      }
      const now = total ? Math.floor((received / total) * 10) : 0
      if (now > tenths)
        this.logToStderr(`${name}: ${sizeText(received)} of ${sizeText(total) || 'unknown size'}`)
      tenths = now
    }
    return { update, stop: () => bar.stop() }
  }
}
