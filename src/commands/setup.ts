import * as Flags from '@oclif/core/flags'
import { environmentVariable as env, modelsFolder, type ResolvedSettings } from '../settings/settings.ts'
import { type SetUp, uses } from '../setup/set-up.ts'
import { BaseCommand } from '../terminal/command.ts'
import { isTerminal } from '../terminal/confirm.ts'
import { printableOutput } from '../terminal/printable.ts'
import { wrapFor } from '../terminal/wrap.ts'

export interface SetupReport extends SetUp {
  /** `rmbg process` takes it without being told to. */
  isDefault: boolean
}

export default class Setup extends BaseCommand {
  static override summary = 'Set up a good model: choose, fetch, try, and show it on a picture.'
  static override description =
    `Asks what the cut-outs are for, offers the models whose licenses allow that, and says which of them can be reached from here. For RMBG-2.0 it leads through the terms and the token of a Hugging Face account; a token in ${env('hfToken')}, or of a Hugging Face login on this machine, is used, and so is a copy in the cache of Hugging Face's own tools.

Without a terminal nothing is asked: name the model with --model, or let --yes take the best that can be reached. --yes also accepts the license.`
  static override baseFlags = {}
  static override examples = [
    '<%= config.bin %> setup',
    '<%= config.bin %> setup --model isnet --yes',
    '<%= config.bin %> setup --use commercial --yes --json',
  ]
  static override enableJsonFlag = true
  static override flags = {
    model: Flags.string({
      char: 'm',
      helpValue: 'NAME',
      description: 'the model to set up, such as rmbg-2.0, birefnet-general-lite or isnet',
    }),
    use: Flags.string({
      options: [...uses],
      description:
        'what the cut-outs are for; commercial leaves out models whose licenses forbid that (default with --yes: commercial)',
    }),
    picture: Flags.string({
      helpValue: 'FILE',
      description: 'show the model on this picture instead of a rendered one',
    }),
    yes: Flags.boolean({ char: 'y', default: false, description: 'accept the license, and ask nothing' }),
  }

  async run(): Promise<SetupReport | { kept: 'built-in' }> {
    const { flags } = await this.parse(Setup)
    const { guide } = await import('../terminal/setup/guide.ts')
    const use = uses.find((each) => each === flags.use)
    return this.withContext(
      async ({ settings, stop }) => {
        const { model, picture, yes } = flags
        const interactive = isTerminal() && !yes && !this.jsonEnabled()
        // Also with --json, which silences logToStderr: what a license says has to be seen.
        const tell = (message: string) =>
          void process.stderr.write(`${wrapFor(process.stderr, printableOutput(message))}\n`)
        const done = await guide(settings, {
          ...{ model, use, picture, yes, interactive, tell },
          signal: stop.signal,
        })
        if (done === undefined) return { kept: 'built-in' as const }
        return this.#report(done, settings)
      },
      { onStop: 'what has come so far is kept where it can be continued', tell: () => {} },
    )
  }

  async #report(done: SetUp, settings: ResolvedSettings): Promise<SetupReport> {
    const { bestInstalled } = await import('../model/shelf/auto.ts')
    const best = await bestInstalled(modelsFolder(settings.home))
    const isDefault = settings.model === 'auto' && `${best?.name}:${best?.variant}` === done.model
    const { model, provider, secondsPerImage, picture, cutout } = done
    this.log(`${model} is installed and works: ${secondsPerImage} s for a picture, on ${provider}.`)
    this.log(
      isDefault
        ? 'rmbg process uses it from now on.'
        : `rmbg process uses it with --model ${model}; without that it uses ${settings.model === 'auto' ? `${best?.name}:${best?.variant}` : settings.model}.`,
    )
    this.log(`Picture  ${picture}`)
    this.log(`Cut-out  ${cutout}`)
    return { ...done, isDefault }
  }
}
