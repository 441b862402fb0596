import * as Flags from '@oclif/core/flags'
import { campaignArg } from '../../terminal/campaign-name.ts'
import { BaseCommand } from '../../terminal/command.ts'
import { confirm } from '../../terminal/confirm.ts'

export default class CampaignCancel extends BaseCommand {
  static override summary = 'End a campaign for good; what is done stays.'
  static override description =
    'Its images leave the queue. Workers finish those in work. Cut-outs and jobs stay as they are.'
  static override examples = ['<%= config.bin %> campaign cancel spring --yes']
  static override enableJsonFlag = true
  static override args = campaignArg
  static override flags = { yes: Flags.boolean({ char: 'y', default: false, description: 'do not ask' }) }

  async run(): Promise<{ campaign: string; state: 'cancelled' }> {
    const { args, flags } = await this.parse(CampaignCancel)
    const { cancelCampaign } = await import('../../fleet/steer.ts')
    const { campaignReport } = await import('../../fleet/report.ts')
    await this.withContext(
      async ({ context }) => {
        const database = await context.database()
        const { remaining } = await campaignReport(database, args.name, { lostLimit: 0 })
        await confirm(`Cancel ${args.name}, with ${remaining} images not done?`, { ...flags, hasPlan: false })
        await cancelCampaign(database, args.name)
      },
      { namesDatabase: true, isFleet: true },
    )
    this.logToStderr('Cancelled.')
    return { campaign: args.name, state: 'cancelled' }
  }
}
