import { resolve } from 'node:path'
import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import { type Context, openContext } from '../context.ts'
import { RmbgError } from '../errors.ts'
import type { Fetched } from '../jobs/download.ts'
import { resolveSettings } from '../settings/settings.ts'
import { parseSeconds } from '../settings/when.ts'
import { BaseCommand } from '../terminal/command.ts'
import { exitStatus } from '../terminal/exit.ts'
import { filterFlags, toFilter } from '../terminal/filter-flags.ts'
import { readJobIds } from '../terminal/job-ids.ts'
import { parseKinds } from '../terminal/kinds.ts'
import {
  columnNamed,
  columnNames,
  jobsCsv,
  jobsTable,
  jobText,
  pickColumns,
  type ShownJob,
} from '../terminal/texts/job-text.ts'

export interface QueryResult {
  jobs: Partial<ShownJob>[]
  nextCursor?: string
  downloaded?: string[]
  /** Objects that are not in the store, or not as they were written. */
  failed?: { key: string; code: string; message: string }[]
  plan?: string[]
}

/** Jobs of one round trip with --all. */
const allPageSize = 1000
const unfitForIds = [...Object.keys(filterFlags), 'cursor', 'all', 'explain']

export default class Query extends BaseCommand {
  static override summary = 'Find jobs in the log.'
  static override description =
    `Shows jobs by their ids, or those that all the given filters hold for, newest first. Times are UTC.

A page ends in the cursor of the next one; --all prints them all, one page in memory at a time.`
  static override examples = [
    '<%= config.bin %> query --status failed --since 7d',
    '<%= config.bin %> query --tag spring --user anna --limit 20',
    '<%= config.bin %> query --params \'{"model":{"name":"rmbg-2.0"}}\' --all --csv > jobs.csv',
    '<%= config.bin %> query 019a6b7e-0000-7000-8000-000000000000 --urls --expires 1d',
    "<%= config.bin %> query --name '*-hero.jpg' --download heroes --kind processed",
  ]
  static override enableJsonFlag = true
  static override strict = false
  static override args = {
    jobs: Args.string({ ignoreStdin: true, description: 'ids of jobs; - reads them from standard input' }),
  }
  static override flags = {
    ...filterFlags,
    limit: Flags.integer({ char: 'n', min: 1, max: 10_000, default: 50, description: 'jobs per page' }),
    cursor: Flags.string({ description: 'go on where a page ended; with the same filters' }),
    all: Flags.boolean({ default: false, description: 'print every page', exclusive: ['limit', 'explain'] }),
    ndjson: Flags.boolean({
      default: false,
      description: 'one JSON object per job',
      exclusive: ['csv', 'json'],
    }),
    csv: Flags.boolean({ default: false, description: 'CSV with a header', exclusive: ['ndjson', 'json'] }),
    columns: Flags.string({
      helpValue: 'A,B',
      description: `what to print of a job: ${columnNames()}`,
    }),
    urls: Flags.boolean({ default: false, description: 'add links to the objects of completed jobs' }),
    expires: Flags.string({
      helpValue: 'DURATION',
      description: 'how long the links work, up to 7d (default: 1h)',
      dependsOn: ['urls'],
    }),
    download: Flags.string({
      helpValue: 'DIR',
      description: 'fetch the objects of completed jobs into DIR/<kind>/, compared with their checksums',
    }),
    kind: Flags.string({
      helpValue: 'KINDS',
      description: 'which objects --download fetches (default: original,mask,processed)',
      dependsOn: ['download'],
    }),
    explain: Flags.boolean({
      default: false,
      description: 'print the plan of the query, executed',
    }),
  }

  async run(): Promise<QueryResult> {
    const { flags, argv, raw } = await this.parse(Query)
    const ids = await readJobIds(argv as string[])
    if (flags.all && this.jsonEnabled()) {
      throw new RmbgError('USAGE', '--all does not fit into one JSON object.', {
        hint: 'Use --ndjson (one object per line) or --csv.',
      })
    }
    const expiresSeconds = parseSeconds('expires', flags.expires ?? '1h')
    if (expiresSeconds > 7 * 86_400) throw new RmbgError('USAGE', 'Links work for 7 days at most.')
    const given = raw.flatMap((token) => (token.type === 'flag' ? token.flag : []))
    const unfit = ids.length > 0 && given.find((flag) => unfitForIds.includes(flag))
    if (unfit) throw new RmbgError('USAGE', `--${unfit} does not go together with ids of jobs.`)
    const columns = flags.columns?.split(',').map((name) => {
      const column = columnNamed(name)
      if (column) return column
      throw new RmbgError('USAGE', `There is no column ${JSON.stringify(name.trim())}.`, {
        hint: `Columns are ${columnNames()}.`,
      })
    })
    const kinds = parseKinds(flags.kind ?? 'original,mask,processed')
    const filter = toFilter(flags)
    const context = openContext(await resolveSettings({}))
    const result: QueryResult = { jobs: [] }
    let isFirst = true
    const show = async (page: ShownJob[]): Promise<void> => {
      const store = flags.urls || flags.download !== undefined ? await context.store() : undefined
      const { linksOf, downloadJobs } = await import('../jobs/download.ts')
      if (flags.urls) {
        for (const job of page) Object.assign(job, await linksOf(store!, job, expiresSeconds))
      }
      if (flags.ndjson) for (const job of page) this.log(JSON.stringify(pickColumns(job, columns)))
      else if (flags.csv) this.log(jobsCsv(page, columns, { header: isFirst }).slice(0, -1))
      else if (ids.length > 0 && !columns) this.log(page.map(jobText).join('\n\n'))
      else if (page.length > 0) this.log(jobsTable(page, columns))
      isFirst = false
      if (this.jsonEnabled()) result.jobs.push(...page.map((job) => pickColumns(job, columns)))
      if (flags.download === undefined) return
      const fetched = await downloadJobs(store!, page, {
        folder: resolve(flags.download),
        kinds,
        onObject: (object) => this.#tellFetched(object),
      })
      const failed = fetched.flatMap((object) => ('error' in object ? object : []))
      if (failed.length > 0) process.exitCode = exitStatus.store
      if (!this.jsonEnabled()) return
      result.downloaded = fetched.flatMap((object) => ('path' in object ? object.path : []))
      if (failed.length === 0) return
      result.failed = failed.map(({ key, error: { code, message } }) => ({ key, code, message }))
    }

    try {
      if (ids.length > 0) {
        await show(await this.#byId(context, ids))
        return result
      }
      const { sql } = await context.database()
      const { explainQuery, queryJobs } = await import('../jobs/pages.ts')
      const limit = flags.all ? allPageSize : flags.limit
      if (flags.explain) {
        result.plan = await explainQuery(sql, filter, { limit, ...(flags.cursor && { after: flags.cursor }) })
        for (const line of result.plan) this.log(line)
        return result
      }
      let cursor = flags.cursor
      let count = 0
      do {
        const page = await queryJobs(sql, filter, { limit, ...(cursor !== undefined && { after: cursor }) })
        count += page.jobs.length
        if (page.jobs.length > 0 || isFirst) await show(page.jobs)
        cursor = page.nextCursor
      } while (flags.all && cursor !== undefined)
      if (cursor !== undefined) result.nextCursor = cursor
      if (count === 0) this.logToStderr('No job matches.')
      else if (cursor !== undefined) this.logToStderr(`More: --cursor ${cursor}`)
      return result
    } finally {
      await context.close()
    }
  }

  #tellFetched(object: Fetched): void {
    if ('path' in object) this.logToStderr(`fetched  ${object.path}`)
    else this.logToStderr(`failed   ${object.error.message} [${object.error.code}]`)
  }

  /** Jobs by id, kept in the cache under the version of their rows. */
  async #byId(context: Context, ids: string[]): Promise<ShownJob[]> {
    const { sql } = await context.database()
    const cache = await context.cache((message) => this.logToStderr(message))
    const { findJobs, jobVersion } = await import('../database/query.ts')
    const jobs: ShownJob[] = []
    for (const id of new Set(ids)) {
      const version = await jobVersion(sql, id)
      const found = version && (await cache.remember(`job:${id}`, version, () => findJobs(sql, [id])))
      if (!found || found.length === 0) {
        throw new RmbgError('NOT_FOUND', `There is no job ${id}.`, { hint: 'It may have been pruned.' })
      }
      jobs.push(...found)
    }
    return jobs
  }
}
