import { sizeText } from '../bytes.ts'
import type { Estimate, NoticeEvent } from './events.ts'

/** Of a known plan, or of a sample: then figures are about right. */
export function estimateNotice(estimate: Estimate, { isSampled }: { isSampled: boolean }): NoticeEvent {
  return { type: 'notice', code: 'estimate', estimate, message: estimateText(estimate, isSampled) }
}

function estimateText({ images, inputBytes, seconds, storedBytes }: Estimate, isSampled: boolean): string {
  const about = isSampled ? 'about ' : ''
  const what = `To do: ${about}${images} ${images === 1 ? 'image' : 'images'} (${sizeText(inputBytes)})`
  if (seconds === null || storedBytes === null)
    return `${what}. How long that takes is not known yet: the log has no image of this model.`
  const stored = storedBytes > 0 ? `, and ${sizeText(storedBytes)} to store` : ''
  return `${what}. By the last images of this model that takes about ${durationText(seconds)}${stored}.`
}

/** For people: one or two units. */
function durationText(seconds: number): string {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`
  const minutes = Math.round(seconds / 60)
  if (minutes < 90) return `${minutes} min`
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.round(hours / 24)} days`
}
