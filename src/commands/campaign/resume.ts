import { campaignArg } from '../../terminal/campaign-name.ts'
import { BaseCommand } from '../../terminal/command.ts'

export default class CampaignResume extends BaseCommand {
  static override summary = 'Go on with a campaign that was paused.'
  static override examples = ['<%= config.bin %> campaign resume spring']
  static override enableJsonFlag = true
  static override args = campaignArg

  async run(): Promise<{ campaign: string; state: 'running' }> {
    const { args } = await this.parse(CampaignResume)
    const { resumeCampaign } = await import('../../fleet/steer.ts')
    await this.withContext(async ({ context }) => resumeCampaign(await context.database(), args.name), {
      namesDatabase: true,
      isFleet: true,
    })
    this.logToStderr('Workers take it up again.')
    return { campaign: args.name, state: 'running' }
  }
}
