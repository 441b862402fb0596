import type { KeptTuning } from '../../model/tuning/kept.ts'
import { table } from '../table.ts'

const head = ['WAY', 'LOAD CPU S', 'MS', 'CPU MS', 'PEAK MB', 'MASK OFF', '']

/** What was measured of a model, for people, and what was chosen. */
export function tuningText({ model, measured, chosen, reason, prefer }: KeptTuning): string {
  const rows = measured.map((each) => {
    if ('problem' in each) return [each.name, null, null, null, null, null, each.problem]
    const { loadCpuSeconds, milliseconds, cpuMilliseconds, peakMb, maskOff } = each
    return [
      each.name,
      Number(loadCpuSeconds.toFixed(2)),
      ...[milliseconds, cpuMilliseconds, peakMb].map(rounded),
      maskOff,
      each.name === chosen ? 'chosen' : '',
    ]
  })
  return `${table(head, rows)}\n\n${model} runs in the way "${chosen}" from now on (--prefer ${prefer}): ${reason}.`
}

/** Two figures behind the point mean nothing for a second, and something for a millisecond. */
const rounded = (figure: number): number => Number(figure.toFixed(figure < 10 ? 1 : 0))
