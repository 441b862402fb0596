import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import type { TriedModel, VerifiedModel } from '../../model/shelf/verify.ts'
import { modelsFolder, resolveSettings } from '../../settings/settings.ts'
import { BaseCommand } from '../../terminal/command.ts'
import { exitStatus } from '../../terminal/exit.ts'
import { trialText } from '../../terminal/texts/trial.ts'

/** With what the trial showed, where there was one. */
type Checked = VerifiedModel | (VerifiedModel & TriedModel)

const hasFailed = (model: Checked): boolean =>
  'problem' in model || ('comparison' in model && model.comparison.state === 'differs')

export default class ModelVerify extends BaseCommand {
  static override summary = 'Check the files of built-in and installed models against their SHA-256 digests.'
  static override description =
    `With --try, each model also runs on three rendered pictures: the figures can be sent and compared. Exit status: 0 all intact, ${exitStatus.model} one is damaged or not installed, or fails its trial.`
  static override baseFlags = {}
  static override examples = [
    '<%= config.bin %> model verify',
    '<%= config.bin %> model verify rmbg-2.0',
    '<%= config.bin %> model verify model.onnx --try --json',
  ]
  static override enableJsonFlag = true
  static override args = {
    name: Args.string({ description: 'one model, or the path of an .onnx file (default: all)' }),
  }
  static override flags = {
    try: Flags.boolean({ description: 'run each model on three rendered pictures, too' }),
  }

  async run(): Promise<Checked[]> {
    const { args, flags } = await this.parse(ModelVerify)
    const { home, threads, device } = await resolveSettings({})
    const { verifyModels, tryVerified } = await import('../../model/shelf/verify.ts')
    const options = { modelsFolder: modelsFolder(home), threads, device }
    const models: Checked[] = []
    for (const model of await verifyModels(options.modelsFolder, args.name)) {
      const { name, state, sha256 } = model
      this.log(`${state.padEnd(7)}  ${name}  ${sha256}`)
      const tried = flags.try && state !== 'damaged' ? await tryVerified(model, options) : undefined
      if (tried) this.log(trialText(tried))
      models.push({ ...model, ...tried })
    }
    const damaged = models.filter(({ state }) => state === 'damaged')
    for (const { name, origin } of damaged) {
      const remedy =
        origin === 'built-in'
          ? 'Install rmbg-batch again.'
          : `Fetch it again: rmbg model remove ${name} && rmbg model pull ${name}`
      this.logToStderr(`${name} is damaged. ${remedy}`)
    }
    const failed = models.filter(hasFailed)
    if (damaged.length + failed.length > 0) process.exitCode = exitStatus.model
    return models
  }
}
