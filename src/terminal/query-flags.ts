import * as Flags from '@oclif/core/flags'
import type { ParserOutput } from '@oclif/core/interfaces'
import { RmbgError } from '../errors.ts'
import { filterFlags } from './filter-flags.ts'
import { columns, kinds, seconds } from './flags.ts'
import { columnNames } from './job-columns.ts'
import { freshFlag } from './read-database.ts'

/** Which jobs `rmbg query` shows, and how. */
export const queryFlags = {
  ...filterFlags,
  limit: Flags.integer({ char: 'n', min: 1, max: 10_000, default: 50, description: 'jobs per page' }),
  cursor: Flags.string({
    description: 'start after the page that ended with this cursor; needs the same filters',
  }),
  all: Flags.boolean({ default: false, description: 'print every page', exclusive: ['limit', 'explain'] }),
  ndjson: Flags.boolean({
    default: false,
    description: 'print one JSON object per job',
    exclusive: ['csv', 'json'],
  }),
  csv: Flags.boolean({
    default: false,
    description: 'print CSV with a header',
    exclusive: ['ndjson', 'json'],
  }),
  columns: columns({ description: `columns to print: ${columnNames()}` }),
  urls: Flags.boolean({ default: false, description: 'add links to the objects of completed jobs' }),
  expires: seconds({
    most: '7d',
    description: 'how long the links work, up to 7d (default: 1h)',
    dependsOn: ['urls'],
  }),
  download: Flags.string({
    helpValue: 'DIR',
    description: 'download the objects of completed jobs into DIR/<kind>/ and verify their checksums',
  }),
  kind: kinds({
    description: 'objects to download (default: original,mask,processed)',
    dependsOn: ['download'],
  }),
  overwrite: Flags.boolean({
    description: 'also replace files that are not what the store holds',
    dependsOn: ['download'],
  }),
  fresh: freshFlag,
  explain: Flags.boolean({ default: false, description: 'run the query and print its plan' }),
}

/** What chooses jobs, where ids have chosen already. */
const unfitForIds = [...Object.keys(filterFlags), 'cursor', 'all', 'explain']

/**
 * What oclif's `exclusive` cannot say.
 *
 * @param raw what was parsed: flags that only have their default are not in it
 * @throws RmbgError USAGE
 */
export function assertCombinable(
  raw: ParserOutput['raw'],
  { ids, json }: { ids: readonly string[]; json: boolean },
): void {
  const given = raw.flatMap((token) => (token.type === 'flag' ? token.flag : []))
  const unfit = given.find((flag) => unfitForIds.includes(flag))
  if (ids.length > 0 && unfit !== undefined) {
    throw new RmbgError('USAGE', `--${unfit} cannot be combined with job ids.`)
  }
  if (!json || !given.includes('all')) return
  throw new RmbgError('USAGE', '--all does not fit into one JSON object.', {
    hint: 'Use --ndjson (one object per line) or --csv.',
  })
}
