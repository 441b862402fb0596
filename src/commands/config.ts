import { environmentVariable, type TracedSetting, traceSettings } from '../settings/settings.ts'
import { userFile } from '../settings/user-file.ts'
import { BaseCommand } from '../terminal/command.ts'
import { configText, maskedSecrets } from '../terminal/texts/config-text.ts'

interface ConfigReport {
  /** The user's own configuration file, there or not. */
  userFile: string
  settings: (TracedSetting & { variable: string })[]
}

export default class Config extends BaseCommand {
  static override summary = 'Show every setting, and where its value comes from.'
  static override description =
    'Secrets are masked. A flag of another command wins over what is shown here. Settings of your own, for all folders, belong into the file that is named last.'
  static override examples = ['<%= config.bin %> config', '<%= config.bin %> config --json']
  static override baseFlags = {}
  static override enableJsonFlag = true

  async run(): Promise<ConfigReport> {
    await this.parse(Config)
    const settings = maskedSecrets(await traceSettings({}))
    const report = {
      userFile: userFile(),
      settings: settings.map((setting) => ({ ...setting, variable: environmentVariable(setting.name) })),
    }
    this.log(configText(settings))
    this.log(`\nYour own file: ${report.userFile}`)
    return report
  }
}
