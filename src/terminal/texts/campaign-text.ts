import type { CampaignLine, CampaignReport } from '../../fleet/report.ts'
import { plural } from '../plural.ts'
import { printable } from '../printable.ts'
import { etaText } from '../progress-line.ts'
import { table } from '../table.ts'

export const campaignTable = (campaigns: readonly CampaignLine[]): string =>
  table(
    ['CAMPAIGN', 'STATE', 'IMAGES', 'DONE', 'FAILED', 'USER', 'SINCE'],
    campaigns.map(({ campaign, state, images, done, failed, user, createdAt }) => [
      ...[campaign, state, images, done, failed, user, createdAt.slice(0, 16).replace('T', ' ')],
    ]),
    { expendable: ['USER', 'SINCE'] },
  )

/** A block of lines; images that failed by name behind it. */
export function campaignText(report: CampaignReport): string {
  const { campaign, state, images, completed, skipped, failed, dead, remaining, shards, lost } = report
  const done = completed + skipped
  const share = images === 0 ? 0 : Math.floor((done / images) * 100)
  const lines = [
    `${printable(campaign)}: ${state}, ${done} of ${plural(images, 'image')} done (${share}%)`,
    `  ${completed} made, ${skipped} done before, ${failed} failed, ${dead} dead, ${remaining} to go`,
    `  ${paceText(report)}`,
    `  ${shards.waiting} shards wait, workers have ${shards.active}`,
    ...lost.map(
      (each) =>
        `${each.state.padEnd(6)}  ${printable(each.input)}  ${printable(each.message)} [${each.code}]`,
    ),
  ]
  const untold = failed + dead - lost.length
  if (untold > 0) lines.push(`and ${untold} more: --limit ${failed + dead}`)
  if (failed + dead > 0) lines.push(`Try them again: rmbg campaign retry ${campaign}`)
  return lines.join('\n')
}

function paceText({ imagesPerSecond, secondsToGo }: CampaignReport): string {
  if (imagesPerSecond === 0) return 'nothing was done in the last minutes'
  const eta = secondsToGo === null || secondsToGo === 0 ? '' : `, ${etaText(secondsToGo)}`
  return `${imagesPerSecond.toFixed(1)} images/s${eta}`
}
