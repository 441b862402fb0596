import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import { RmbgError } from '../errors.ts'
import type { CheckedPicture } from '../process/check.ts'
import { collectInputs } from '../process/inputs.ts'
import { loadPreset, presetNames } from '../settings/presets.ts'
import { environmentVariable as env, resolveSettings } from '../settings/settings.ts'
import { BaseCommand } from '../terminal/command.ts'
import { exitStatus } from '../terminal/exit.ts'
import { printable } from '../terminal/printable.ts'

export interface CheckResult {
  preset: string
  rules: string
  pictures: CheckedPicture[]
}

export default class Check extends BaseCommand {
  static override summary = "Check finished pictures against a catalogue's rules."
  static override description =
    `Says why a catalogue would refuse a picture: its size, format, background, how the subject fills the frame. Works on any pictures, opens no database and loads no model. A preset names the page its rules come from and when it was read; a JSON file of the same form makes one of your own.

Exit status: 0 all are acceptable, ${exitStatus.reviewNeeded} some are not, ${exitStatus.usage} wrong usage.`
  static override examples = [
    '<%= config.bin %> check cutouts --preset amazon',
    "<%= config.bin %> check 'shop/*.jpg' --preset ./our-catalogue.json --json",
  ]
  static override enableJsonFlag = true
  static override strict = false
  static override args = {
    inputs: Args.string({ ignoreStdin: true, description: 'globs, files or folders' }),
  }
  static override flags = {
    preset: Flags.string({
      helpValue: 'NAME|FILE.json',
      description: `whose rules; amazon, ebay, google, shopify and walmart ship [env: ${env('preset')}]`,
    }),
    ignore: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      helpValue: 'GLOB',
      description: `leave out what matches [env: ${env('ignore')}]`,
    }),
  }

  async run(): Promise<CheckResult> {
    const { flags, argv } = await this.parse(Check)
    const settings = await resolveSettings(flags)
    if (settings.preset === undefined) {
      throw new RmbgError('USAGE', 'Whose rules? Name a --preset.', {
        hint: `Known presets: ${(await presetNames()).join(', ')}. Or give the path of a JSON file.`,
      })
    }
    const preset = await loadPreset(settings.preset)
    const candidates = await collectInputs({
      patterns: argv as string[],
      stdin: process.stdin,
      ignore: settings.ignore,
      takesJobs: false,
      excludeFolders: [],
      cwd: process.cwd(),
    })
    const { checkPictures } = await import('../process/check.ts')
    const pictures = await checkPictures(candidates, preset.check, settings)
    for (const { input, violations } of pictures) {
      const reasons = violations.map(({ message }) => printable(message)).join(' ')
      this.log(
        violations.length === 0 ? `ok       ${printable(input)}` : `refused  ${printable(input)}  ${reasons}`,
      )
    }
    const refused = pictures.filter(({ violations }) => violations.length > 0).length
    this.logToStderr(
      `${pictures.length - refused} of ${pictures.length} are acceptable for ${preset.title} (rules of ${preset.rules.url}, read ${preset.rules.read}).`,
    )
    if (refused > 0) process.exitCode = exitStatus.reviewNeeded
    return { preset: preset.name, rules: preset.rules.url, pictures }
  }
}
