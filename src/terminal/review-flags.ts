import * as Flags from '@oclif/core/flags'
import type * as Interfaces from '@oclif/core/interfaces'
import { RmbgError } from '../errors.ts'
import { filterFlags } from './filter-flags.ts'

const { status: _status, error: _error, search: _search, ...filters } = filterFlags

/** Which cut-outs `rmbg review` shows, and how. */
export const reviewFlags = {
  ...filters,
  html: Flags.string({
    helpValue: 'DIR',
    description: 'write a page that needs no server into DIR, instead of serving one',
    exclusive: ['apply', 'port', 'output'],
  }),
  apply: Flags.string({
    helpValue: 'FILE',
    description: 'take the verdicts that somebody has saved from such a page',
    exclusive: ['html', 'port', 'output'],
  }),
  limit: Flags.integer({
    char: 'n',
    min: 1,
    max: 10_000,
    default: 500,
    description: 'cut-outs on the page of --html, the most doubtful ones',
  }),
  overwrite: Flags.boolean({
    description: 'with --html: also replace an index.html that is not a page made by rmbg',
    dependsOn: ['html'],
  }),
  output: Flags.string({
    char: 'o',
    helpValue: 'DIR',
    description: 'a folder with cut-outs of rmbg process: where one is made again, its file follows',
  }),
  port: Flags.integer({ min: 1, max: 65_535, description: 'where to listen (default: a free port)' }),
  open: Flags.boolean({
    default: true,
    allowNo: true,
    description: 'open the page in the browser',
  }),
}

export type ReviewFlags = Interfaces.InferredFlags<typeof reviewFlags>

/** What chooses cut-outs: `--apply` takes what its file names. */
const choosing = [...Object.keys(filters), 'limit']

/**
 * What oclif's `exclusive` cannot say.
 *
 * @param given flags that were typed
 * @throws RmbgError USAGE
 */
export function assertReviewFlags(flags: ReviewFlags, given: readonly string[]): void {
  const unfit = flags.apply === undefined ? undefined : given.find((flag) => choosing.includes(flag))
  if (unfit !== undefined) {
    throw new RmbgError('USAGE', `--${unfit} cannot be combined with --apply, whose file names the jobs.`)
  }
  if (flags.html === undefined && given.includes('limit'))
    throw new RmbgError('USAGE', '--limit is for --html: the served page shows all.')
}

/** The filters as somebody has typed them, for people. */
export function filtersText(argv: readonly string[]): string {
  const names = Object.keys(filters)
  const kept: string[] = []
  for (let at = 0; at < argv.length; at++) {
    const [flag = '', value] = (argv[at] ?? '').split(/=(.*)/s)
    if (!flag.startsWith('--') || !names.includes(flag.slice(2))) continue
    kept.push(flag, ...(value === undefined ? [] : [value]))
    const takesValue = filters[flag.slice(2) as keyof typeof filters].type === 'option'
    if (takesValue && value === undefined && at + 1 < argv.length) kept.push(argv[++at] ?? '')
  }
  return kept.join(' ')
}
