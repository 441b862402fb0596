import { join, resolve } from 'node:path'
import * as Args from '@oclif/core/args'
import type * as Interfaces from '@oclif/core/interfaces'
import type { Context } from '../context.ts'
import type { Job } from '../database/query.ts'
import type { ReplicaState } from '../database/replica.ts'
import type { Downloads } from '../jobs/download.ts'
import { objectKinds } from '../store/contract.ts'
import { BaseCommand } from '../terminal/command.ts'
import { exitStatus } from '../terminal/exit.ts'
import { toFilter } from '../terminal/filter-flags.ts'
import { pickColumns, type ShownJob } from '../terminal/job-columns.ts'
import { readJobIds } from '../terminal/job-ids.ts'
import { assertCombinable, queryFlags } from '../terminal/query-flags.ts'
import { openToRead } from '../terminal/read-database.ts'
import { fetchedText, jobsPrinter } from '../terminal/texts/job-text.ts'

export interface QueryResult extends Partial<Downloads> {
  jobs: Partial<ShownJob>[]
  nextCursor?: string
  plan?: string[]
  /** The replica that was asked; absent where the primary was. */
  replica?: ReplicaState
}

type QueryFlags = Interfaces.InferredFlags<typeof queryFlags>
type Asked = QueryFlags & { byId: boolean }

export default class Query extends BaseCommand {
  static override summary = 'Find jobs in the log.'
  static override description =
    `Shows jobs by their ids, or the jobs that match all filters, newest first; with --search the best first. Times are UTC.

Each page ends with a cursor. Pass it to --cursor, with the same filters, to get the next page. --all prints every page and keeps only one in memory.`
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
    jobs: Args.string({ ignoreStdin: true, description: 'job ids, or - to read them from standard input' }),
  }
  static override flags = queryFlags

  async run(): Promise<QueryResult> {
    const { flags, argv, raw } = await this.parse(Query)
    const ids = await readJobIds(argv as string[])
    assertCombinable(raw, { ids, json: this.jsonEnabled() })
    return this.withContext(({ context }) =>
      flags.explain ? this.#explain(context, flags) : this.#show(context, ids, flags),
    )
  }

  async #show(context: Context, ids: readonly string[], flags: QueryFlags): Promise<QueryResult> {
    const { jobPages, pageOfIds } = await import('../jobs/find.ts')
    const { placesOf, withLinks } = await import('../jobs/download.ts')
    const { database, cache, replica } = await openToRead(context, flags, (told) => this.logToStderr(told))
    const pages =
      ids.length > 0 ? pageOfIds(database, cache, ids) : jobPages(database, toFilter(flags), flags)
    const print = jobsPrinter({
      ...flags,
      facts: ids.length > 0,
      placeToReview: flags['needs-review'] && !flags.urls ? await this.#places(context) : undefined,
    })
    let result: QueryResult = { jobs: [] }
    let count = 0
    for await (const { jobs, ...next } of pages) {
      const shown = flags.urls ? await withLinks(await placesOf(context), jobs, flags.expires ?? 3600) : jobs
      const text = print(shown)
      if (shown.length > 0 || text !== '') this.log(text)
      const downloads = await this.#download(context, jobs, { ...flags, byId: ids.length > 0 })
      if (next.nextCursor !== undefined && !flags.all) this.logToStderr(`More: --cursor ${next.nextCursor}`)
      count += jobs.length
      // Only for --json, which has one page: of --all there may be millions.
      const kept = () => shown.map((job) => pickColumns(job, flags.columns))
      if (this.jsonEnabled()) result = { jobs: kept(), ...downloads, ...next, ...replica }
    }
    if (count === 0) this.logToStderr('No job matches.')
    return result
  }

  /** Where the objects of keys are, as a person names them. */
  async #places(context: Context): Promise<(key: string) => string> {
    const { location } = await context.store()
    return (key) => (context.buckets().length === 0 ? join(location, key) : `${key} in ${location}`)
  }

  async #download(context: Context, jobs: readonly Job[], flags: Asked): Promise<Partial<Downloads>> {
    if (flags.download === undefined) return {}
    const { downloadJobs, placesOf } = await import('../jobs/download.ts')
    const downloads = await downloadJobs(await placesOf(context), jobs, {
      folder: resolve(flags.download),
      kinds: flags.kind ?? objectKinds,
      overwrite: flags.overwrite ?? false,
      byId: flags.byId,
      rejectedToo: flags.verdict?.includes('rejected') ?? false,
      onObject: (object) => this.logToStderr(fetchedText(object)),
    })
    if (downloads.failed) process.exitCode = exitStatus.store
    return downloads
  }

  async #explain(context: Context, flags: QueryFlags): Promise<QueryResult> {
    const { explainQuery } = await import('../jobs/pages.ts')
    const { database } = await openToRead(context, flags, (told) => this.logToStderr(told))
    const { limit, cursor: after } = flags
    const plan = await explainQuery(database.sql, toFilter(flags), {
      limit,
      ...(after !== undefined && { after }),
    })
    for (const line of plan) this.log(line)
    return { jobs: [], plan }
  }
}
