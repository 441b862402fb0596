import { campaignArg } from '../../terminal/campaign-name.ts'
import { BaseCommand } from '../../terminal/command.ts'

export default class CampaignPause extends BaseCommand {
  static override summary = 'Stop the work on a campaign for now.'
  static override description =
    'Within seconds workers finish the images in work, give the rest back and take no more of it. They go on with other campaigns.'
  static override examples = ['<%= config.bin %> campaign pause spring']
  static override enableJsonFlag = true
  static override args = campaignArg

  async run(): Promise<{ campaign: string; state: 'paused' }> {
    const { args } = await this.parse(CampaignPause)
    const { pauseCampaign } = await import('../../fleet/steer.ts')
    await this.withContext(async ({ context }) => pauseCampaign(await context.database(), args.name), {
      namesDatabase: true,
      isFleet: true,
    })
    this.logToStderr(`Paused. Go on: rmbg campaign resume ${args.name}`)
    return { campaign: args.name, state: 'paused' }
  }
}
