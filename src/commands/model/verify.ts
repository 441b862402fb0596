import * as Args from '@oclif/core/args'
import type { VerifiedModel } from '../../model/shelf/verify.ts'
import { modelsFolder, resolveSettings } from '../../settings/settings.ts'
import { BaseCommand } from '../../terminal/command.ts'
import { exitStatus } from '../../terminal/exit.ts'

export default class ModelVerify extends BaseCommand {
  static override summary = 'Check the files of built-in and installed models against their SHA-256 digests.'
  static override description =
    `Exit status: 0 all intact, ${exitStatus.model} one is damaged or not installed.`
  static override baseFlags = {}
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
    for (const { name, origin } of damaged) {
      const remedy =
        origin === 'built-in'
          ? 'Install rmbg-batch again.'
          : `Fetch it again: rmbg model remove ${name} && rmbg model pull ${name}`
      this.logToStderr(`${name} is damaged. ${remedy}`)
    }
    if (damaged.length > 0) process.exitCode = exitStatus.model
    return models
  }
}
