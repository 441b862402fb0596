import type { Candidate } from './options.ts'

export const preferences = ['balanced', 'speed', 'memory'] as const
export type Preference = (typeof preferences)[number]

/** What one way to run a model takes, without its mask. */
export interface Figures {
  loadCpuSeconds: number
  milliseconds: number
  cpuMilliseconds: number
  /** MiB. */
  peakMb: number
  /** How far its mask is from that of the usual way at most, in levels of 255. */
  maskOff: number
}

export type MeasuredCandidate = Candidate & (Figures | { problem: string })

export interface Choice {
  candidate: Candidate & Figures
  reason: string
}

/** A tuned model gives the same cut-outs: rounding may move a value of the mask to the next level. */
const mostMaskOff = 1
/** What measurements of the same thing differ by. */
const noise = 1.03
/** How much dearer an inference may be in CPU time, and how much longer it may take, where that saves memory. */
const dearer = 1.1
const longer = 1.25

/**
 * Takes one of the ways that were measured; the first is the usual one, and stays where no other is better by more than noise.
 *
 * @throws RangeError where not even the usual one ran
 */
export function choose(measured: readonly MeasuredCandidate[], prefer: Preference): Choice {
  const fit = measured.filter(
    (each): each is Candidate & Figures => !('problem' in each) && each.maskOff <= mostMaskOff,
  )
  const [usual] = fit
  if (!usual) throw new RangeError('Nothing was measured')
  const cpu = (each: Figures) => each.cpuMilliseconds
  const clock = (each: Figures) => each.milliseconds
  const memory = (each: Figures) => each.peakMb
  switch (prefer) {
    case 'speed':
      return {
        candidate: least(fit, usual, clock),
        reason: 'an inference takes the least time by the clock',
      }
    case 'memory':
      return { candidate: least(fit, usual, memory), reason: 'the peak of memory is the lowest' }
    case 'balanced': {
      const affordable = fit.filter(
        (each) =>
          cpu(each) <= dearer * Math.min(...fit.map(cpu)) &&
          clock(each) <= longer * Math.min(...fit.map(clock)),
      )
      const among = affordable.length > 0 ? affordable : [usual]
      return {
        candidate: least(among, among.includes(usual) ? usual : among[0]!, memory),
        reason: `the lowest peak of memory of those within ${percent(dearer)} of the least CPU time and ${percent(longer)} of the least time by the clock`,
      }
    }
  }
}

const percent = (factor: number): string => `${Math.round((factor - 1) * 100)}%`

function least<T extends Figures>(candidates: readonly T[], usual: T, figure: (each: T) => number): T {
  return candidates.reduce((best, each) => (figure(each) * noise < figure(best) ? each : best), usual)
}
