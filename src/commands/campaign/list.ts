import * as Flags from '@oclif/core/flags'
import type { CampaignLine } from '../../fleet/report.ts'
import { BaseCommand } from '../../terminal/command.ts'
import { campaignTable } from '../../terminal/texts/campaign-text.ts'

export default class CampaignList extends BaseCommand {
  static override summary = 'List the campaigns that a fleet works on, newest first.'
  static override examples = ['<%= config.bin %> campaign list']
  static override enableJsonFlag = true
  static override flags = {
    limit: Flags.integer({ char: 'n', min: 1, max: 10_000, default: 50, description: 'campaigns to list' }),
  }

  async run(): Promise<CampaignLine[]> {
    const { flags } = await this.parse(CampaignList)
    const { campaignList } = await import('../../fleet/report.ts')
    const campaigns = await this.withContext(
      async ({ context }) => campaignList(await context.database(), flags.limit),
      { isFleet: true },
    )
    if (campaigns.length === 0) this.logToStderr('There are no campaigns. rmbg enqueue makes one.')
    else this.log(campaignTable(campaigns))
    return campaigns
  }
}
