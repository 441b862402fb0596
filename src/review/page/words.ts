/** What pages call things. */
import type { Shown, Verdict } from '../contract.ts'

const reasonWords: Record<string, string> = {
  'empty-mask': 'nothing was found',
  'full-mask': 'everything was kept',
  'small-subject': 'very small subject',
  'touches-frame': 'touches the frame',
  'many-islands': 'many loose parts',
  'many-holes': 'many holes',
  'soft-mask': 'soft, unsure edges',
  halo: 'halo of the old background',
  'doubtful-mask': 'the model is unsure',
  rules: 'breaks a rule of the preset',
}

export const reasonText = (reason: string): string => reasonWords[reason] ?? reason

export const verdictWords: Record<Verdict, string> = {
  accepted: 'accepted',
  rejected: 'rejected',
  open: 'not judged',
}

export const shownWords: Record<Shown, string> = {
  open: 'To judge',
  rejected: 'Rejected',
  accepted: 'Accepted',
  all: 'All',
}

export const versionWords = { run: 'as first made', redo: 'made again', brush: 'mended by hand' } as const

/** `2026-11-26 19:20` in the reader's own time. */
export function timeText(at: string): string {
  const time = new Date(at)
  const two = (value: number) => String(value).padStart(2, '0')
  return `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())} ${two(time.getHours())}:${two(time.getMinutes())}`
}

export const nameOf = ({ name, jobId }: { name: string | null; jobId: string }): string => name ?? jobId

export const countText = (count: number, what: string): string =>
  `${count.toLocaleString('en')} ${what}${count === 1 ? '' : 's'}`
