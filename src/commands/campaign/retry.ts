import type { Retried } from '../../fleet/steer.ts'
import { campaignArg } from '../../terminal/campaign-name.ts'
import { BaseCommand } from '../../terminal/command.ts'
import { plural } from '../../terminal/plural.ts'

export default class CampaignRetry extends BaseCommand {
  static override summary = 'Put the failed and dead images of a campaign back into its queue.'
  static override description =
    'An image that ended its workers is tried once more, alone: if it ends another one, it is dead again.'
  static override examples = ['<%= config.bin %> campaign retry spring']
  static override enableJsonFlag = true
  static override args = campaignArg

  async run(): Promise<Retried> {
    const { args } = await this.parse(CampaignRetry)
    const { retryCampaign } = await import('../../fleet/steer.ts')
    const retried = await this.withContext(
      async ({ context }) => retryCampaign(await context.database(), args.name),
      { namesDatabase: true, isFleet: true },
    )
    this.log(`${plural(retried.failed, 'failed image')} and ${plural(retried.dead, 'dead one')} wait again.`)
    return retried
  }
}
