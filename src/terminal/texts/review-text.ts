import type { StaticPage } from '../../review/static-page.ts'
import type { AppliedVerdicts } from '../../review/verdict-file.ts'
import { plural } from '../plural.ts'

export function staticPageText({ file, jobs, isCut, withoutPicture }: StaticPage): string {
  const lines = [`The page is in ${file}, with ${plural(jobs, 'cut-out')}.`]
  if (isCut) lines.push('There are more; these are the most doubtful ones. --limit shows more of them.')
  if (withoutPicture > 0)
    lines.push(
      `${plural(withoutPicture, 'cut-out')} ${withoutPicture === 1 ? 'has' : 'have'} no picture in the store.`,
    )
  return lines.join('\n')
}

export function appliedText({ stands, older, known, unknown }: AppliedVerdicts): string {
  const lines = [`${plural(stands, 'verdict')} applied.`]
  if (older > 0) lines.push(`${older} kept in the history only: somebody has said something later.`)
  if (known > 0) lines.push(`${known} applied before.`)
  if (unknown.length > 0)
    lines.push(
      `${plural(unknown.length, 'job')} ${unknown.length === 1 ? 'is' : 'are'} not in the log: ${unknown.join(', ')}`,
    )
  return lines.join('\n')
}
