/** The live line of a batch: words until the images are counted, then a bar. */
import type { ImageEvent } from '../../process/events.ts'
import { liveLine } from '../live-bar.ts'
import { cutTo, etaText, progressLine } from '../progress-line.ts'

/** Completed images that the rate is taken from: the first ones, which wait for the model, soon count no more. */
const rateWindow = 30
/** What takes no longer than this is not told how long it takes. */
const patientForMs = 2000

/** Draws nothing until something is told of. */
export function imageBar() {
  /** What a person waits for, since when. */
  let phase: { message: string; since: number } | undefined
  let images: number | undefined
  let settled = 0
  let failed = 0
  /** `performance.now()` of the last ones completed. */
  let completedAt: number[] = []

  const line = liveLine((_, width) => {
    if (images === undefined) return cutTo(width, phaseText())
    const perSecond = rateOf(completedAt)
    const left = images - settled
    return progressLine(
      [
        { text: `${settled}/${images}`, rank: 1 },
        { text: phase ? phaseText() : rateText(perSecond), rank: 4 },
        { text: left > 0 ? etaText(left / perSecond) : '', rank: 3 },
        { text: failed > 0 ? `${failed} failed` : '', rank: 2 },
      ],
      { width, progress: images === 0 ? 0 : settled / images },
    )
  })

  function phaseText(): string {
    if (!phase) return ''
    const waited = performance.now() - phase.since
    return `${phase.message} …${waited < patientForMs ? '' : ` ${Math.floor(waited / 1000)} s`}`
  }

  function draw(): void {
    if (line.isActive) line.render()
    else line.start(1, 0)
  }

  return {
    /** @param message such as `Loading the model`; until it is over */
    wait(message: string): void {
      phase = { message, since: performance.now() }
      draw()
    },
    /** The images are counted. */
    start(count: number): void {
      phase = undefined
      images = count
      draw()
    },
    /** More were found. */
    find(count: number): void {
      images = count
    },
    /** What was waited for is there. */
    go(): void {
      phase = undefined
    },
    count({ status }: ImageEvent): void {
      settled++
      if (status === 'failed') failed++
      if (status === 'completed') completedAt = [...completedAt, performance.now()].slice(-rateWindow)
    },
    stop: () => line.stop(),
  }
}

/** Images per second; NaN until it can be told. */
function rateOf(completedAt: readonly number[]): number {
  const [first = 0] = completedAt
  if (completedAt.length < 3) return Number.NaN
  return (completedAt.length - 1) / (((completedAt.at(-1) ?? 0) - first) / 1000)
}

function rateText(perSecond: number): string {
  if (!Number.isFinite(perSecond)) return ''
  // A picture that takes long is told of as such.
  return perSecond < 0.5 ? `${(1 / perSecond).toFixed(1)} s/image` : `${perSecond.toFixed(1)} images/s`
}
