import { setTimeout as sleep } from 'node:timers/promises'
import * as Flags from '@oclif/core/flags'
import type { CampaignReport } from '../../fleet/report.ts'
import { campaignArg } from '../../terminal/campaign-name.ts'
import { BaseCommand, type Frame } from '../../terminal/command.ts'
import { printable } from '../../terminal/printable.ts'
import { campaignText } from '../../terminal/texts/campaign-text.ts'

/** Between two looks. */
const watchMs = 2000

export default class CampaignShow extends BaseCommand {
  static override summary = 'Show how far a campaign is, and which of its images failed.'
  static override description =
    'The rate is that of all workers in the last five minutes. "failed" are images with an error of their own; "dead" are those that three workers ended with, so nobody takes them any more.'
  static override examples = [
    '<%= config.bin %> campaign show spring',
    '<%= config.bin %> campaign show spring --watch',
    '<%= config.bin %> campaign show spring --json',
  ]
  static override enableJsonFlag = true
  static override args = campaignArg
  static override flags = {
    watch: Flags.boolean({
      default: false,
      description: 'go on until nothing is left to do; with --json, one line each time',
    }),
    limit: Flags.integer({
      char: 'n',
      min: 0,
      max: 100_000,
      default: 20,
      description: 'failed and dead images to name',
    }),
  }

  async run(): Promise<CampaignReport> {
    const { args, flags } = await this.parse(CampaignShow)
    return this.withContext(
      async (frame) => {
        if (!flags.watch) return this.#show(await this.#look(frame, args.name, flags.limit))
        for (;;) {
          const report = await this.#look(frame, args.name, flags.limit)
          const isOver = report.state === 'done' || report.state === 'cancelled'
          if (isOver) return this.#show(report)
          if (this.jsonEnabled()) process.stdout.write(`${printable(JSON.stringify(report))}\n`)
          else this.log(`${campaignText({ ...report, lost: [] })}\n`)
          await sleep(watchMs, undefined, { signal: frame.stop.signal })
        }
      },
      { isFleet: true, ...(flags.watch && { onStop: 'the watching ends' }) },
    )
  }

  async #look({ context }: Frame, name: string, lostLimit: number): Promise<CampaignReport> {
    const { campaignReport } = await import('../../fleet/report.ts')
    return campaignReport(await context.database(), name, { lostLimit })
  }

  #show(report: CampaignReport): CampaignReport {
    this.log(campaignText(report))
    return report
  }
}
