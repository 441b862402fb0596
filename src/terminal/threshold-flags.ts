import * as Flags from '@oclif/core/flags'
import { parseSize } from '../bytes.ts'
import {
  type MovedThreshold,
  type Threshold,
  type ThresholdName,
  thresholds,
} from '../database/health/thresholds.ts'
import { RmbgError, unexpected } from '../errors.ts'
import { secondsOf } from '../settings/when.ts'

const helpGroup = 'THRESHOLD'
const names = Object.keys(thresholds) as ThresholdName[]

const thresholdFlag = (level: MovedThreshold['level'], description: string) =>
  Flags.custom<MovedThreshold>({
    ...{ helpGroup, multiple: true, multipleNonGreedy: true, helpValue: 'NAME=VALUE', description },
    parse: async (input) => parseThreshold(level, input),
  })({ multiple: true, multipleNonGreedy: true })

/** Where the health warns, and where it is critical. */
export const thresholdFlags = {
  warn: thresholdFlag(
    'warn',
    'warn from this value on, such as connections=90% or query=10m; off: never; repeatable',
  ),
  crit: thresholdFlag('crit', 'call it critical from this value on; repeatable'),
}

/**
 * `connections=90%`, `query=10m`, `slot-wal=5GB`, `bloat=off`.
 *
 * @throws RmbgError USAGE naming the flag, or the thresholds that there are
 */
export function parseThreshold(level: MovedThreshold['level'], input: string): MovedThreshold {
  const [, given, text] = /^([a-z-]+)=(.+)$/.exec(input.trim()) ?? []
  const name = names.find((known) => known === given)
  if (given !== undefined && name === undefined) {
    throw new RmbgError('USAGE', `--${level}: there is no threshold ${JSON.stringify(given)}.`, {
      hint: `There are ${names.join(', ')}.`,
    })
  }
  if (name === undefined || text === undefined) throw unexpected(`--${level}`, 'NAME=VALUE', input)
  const threshold: Threshold = thresholds[name]
  if (text === 'off') {
    return { name, level, value: threshold.isFloor ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY }
  }
  const value = valueIn(threshold, text)
  if (value === undefined) throw unexpected(`--${level}`, `${name}=${examples[threshold.unit]}`, input)
  return { name, level, value }
}

const examples: Record<Threshold['unit'], string> = {
  percent: '90%',
  seconds: '10m',
  bytes: '5GB',
  number: '1000000',
}

function valueIn({ unit }: Threshold, text: string): number | undefined {
  if (unit === 'bytes') return parseSize(text)
  if (unit === 'seconds') return /^\d+(\.\d+)?s?$/.test(text) ? Number.parseFloat(text) : secondsOf(text)
  const pattern = unit === 'percent' ? /^(\d+(?:\.\d+)?)%?$/ : /^(\d+)$/
  const [, number] = pattern.exec(text) ?? []
  return number === undefined ? undefined : Number(number)
}
