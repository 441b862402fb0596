import * as Args from '@oclif/core/args'
import type { VerifiedModel } from '../../model/shelf/verify.ts'
import { modelsFolder, resolveSettings } from '../../settings/settings.ts'
import { BaseCommand } from '../../terminal/command.ts'
import { exitStatus } from '../../terminal/exit.ts'

export default class ModelVerify extends BaseCommand {
  static override summary = 'Read installed models and compare them with what was installed.'
  static override description =
    `Exit status: 0 all intact, ${exitStatus.model} one is damaged or not installed.`
  static override examples = ['<%= config.bin %> model verify', '<%= config.bin %> model verify rmbg-2.0']
  static override enableJsonFlag = true
  static override args = { name: Args.string({ description: 'one model (default: all)' }) }

  async run(): Promise<VerifiedModel[]> {
    const { args } = await this.parse(ModelVerify)
    const { home } = await resolveSettings({})
    const { verifyModels } = await import('../../model/shelf/verify.ts')
    const models = await verifyModels(modelsFolder(home), args.name)
    for (const { name, state, sha256 } of models) this.log(`${state.padEnd(7)}  ${name}  ${sha256}`)
    const damaged = models.filter(({ state }) => state === 'damaged')
    for (const { name } of damaged) {
      this.logToStderr(
        `${name} is not what was installed. Fetch it again: rmbg model remove ${name} && rmbg model pull ${name}`,
      )
    }
    if (damaged.length > 0) process.exitCode = exitStatus.model
    return models
  }
}
