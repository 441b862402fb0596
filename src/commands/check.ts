import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import { RmbgError } from '../errors.ts'
import type { CheckedPicture } from '../process/check.ts'
import { collectInputs } from '../process/inputs.ts'
import { loadPreset, type Preset, presetNames } from '../settings/presets.ts'
import { environmentVariable as env, resolveSettings } from '../settings/settings.ts'
import { typedArguments, workingDirectory } from '../system/file-names.ts'
import { BaseCommand } from '../terminal/command.ts'
import { exitStatus } from '../terminal/exit.ts'
import { printable } from '../terminal/printable.ts'

export interface CheckResult {
  preset: string
  rules: string
  pictures: CheckedPicture[]
}

export default class Check extends BaseCommand {
  static override summary = "Check finished pictures against a marketplace's rules."
  static override description =
    `Tells why a marketplace would reject a picture: its size, format, background, and how the subject fills the frame. Works on any pictures and needs neither database nor model. Each preset names the page its rules come from and when it was read. A JSON file of the same form is a preset of your own.

Exit status: 0 all are acceptable, ${exitStatus.reviewNeeded} some are not, ${exitStatus.usage} wrong usage.`
  static override baseFlags = {}
  static override examples = [
    '<%= config.bin %> check cutouts --preset amazon',
    "<%= config.bin %> check 'shop/*.jpg' --preset ./our-catalog.json --json",
  ]
  static override enableJsonFlag = true
  static override strict = false
  static override args = {
    inputs: Args.string({ ignoreStdin: true, description: 'globs, files or folders' }),
  }
  static override flags = {
    preset: Flags.string({
      helpValue: 'NAME|FILE.json',
      description: `rules to check against: amazon, ebay, google, shopify, walmart, or a file [env: ${env('preset')}]`,
    }),
    ignore: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      helpValue: 'GLOB',
      description: `skip inputs that match; repeatable [env: ${env('ignore')}]`,
    }),
  }

  async run(): Promise<CheckResult> {
    const { flags, argv } = await this.parse(Check)
    const settings = await resolveSettings(flags)
    const preset = await requirePreset(settings.preset)
    const candidates = await collectInputs({
      patterns: typedArguments(argv as string[]),
      stdin: process.stdin,
      ignore: settings.ignore,
      takesJobs: false,
      excludeFolders: [],
      cwd: workingDirectory(),
      onNotice: ({ message }) => this.logToStderr(printable(message)),
    })
    const { checkPictures } = await import('../process/check.ts')
    const pictures = await checkPictures(candidates, preset.check, settings)
    for (const picture of pictures) this.log(checkedText(picture))
    const refused = pictures.filter(({ violations }) => violations.length > 0).length
    this.logToStderr(
      `${pictures.length - refused} of ${pictures.length} are acceptable for ${preset.title} (rules of ${preset.rules.url}, read ${preset.rules.read}).`,
    )
    if (refused > 0) process.exitCode = exitStatus.reviewNeeded
    return { preset: preset.name, rules: preset.rules.url, pictures }
  }
}

async function requirePreset(name: string | undefined): Promise<Preset> {
  if (name !== undefined) return loadPreset(name)
  throw new RmbgError('USAGE', 'No preset given. Name one with --preset.', {
    hint: `Known presets: ${(await presetNames()).join(', ')}. Or give the path of a JSON file.`,
  })
}

function checkedText({ input, violations }: CheckedPicture): string {
  if (violations.length === 0) return `ok       ${printable(input)}`
  return `refused  ${printable(input)}  ${violations.map(({ message }) => printable(message)).join(' ')}`
}
