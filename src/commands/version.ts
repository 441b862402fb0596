import { BaseCommand } from '../terminal/command.ts'

interface Version {
  version: string
  node: string
  platform: string
}

export default class VersionCommand extends BaseCommand {
  static override summary = 'Show the version of rmbg, of Node and of the system.'
  static override baseFlags = {}
  static override examples = ['<%= config.bin %> version', '<%= config.bin %> version --json']
  static override enableJsonFlag = true

  async run(): Promise<Version> {
    await this.parse(VersionCommand)
    this.log(this.config.userAgent)
    return {
      version: this.config.version,
      node: process.versions.node,
      platform: `${process.platform}-${process.arch}`,
    }
  }
}
