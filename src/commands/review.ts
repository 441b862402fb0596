import { resolve } from 'node:path'
import type { AppliedVerdicts } from '../review/verdict-file.ts'
import { BaseCommand, type Frame } from '../terminal/command.ts'
import { toFilter } from '../terminal/filter-flags.ts'
import { assertReviewFlags, filtersText, type ReviewFlags, reviewFlags } from '../terminal/review-flags.ts'
import { openReviewServices } from '../terminal/review-services.ts'
import { appliedText, staticPageText } from '../terminal/texts/review-text.ts'

export interface ReviewResult {
  /** The address of the served page. */
  url?: string
  /** The page of --html, as an absolute path. */
  file?: string
  jobs?: number
  /** What became of the verdicts of --apply. */
  applied?: AppliedVerdicts
}

export default class Review extends BaseCommand {
  static override summary = 'Look at cut-outs, judge them, make them again or mend them by hand.'
  static override description =
    `Serves a page on this machine only, at an address with a secret in it, and opens it in the browser. It shows completed jobs, the most doubtful first; the filters are those of rmbg query. Verdicts stand in the log (rmbg query --verdict rejected). A cut-out that is made again is a job of its own, and takes the place of the old one, which stays. Ctrl-C ends it.

--html writes a page that needs no server. Verdicts that are saved from it come into the log with --apply.`
  static override examples = [
    '<%= config.bin %> review',
    '<%= config.bin %> review --needs-review --tag spring --output cutouts',
    '<%= config.bin %> review --needs-review --since 1d --html review',
    '<%= config.bin %> review --apply verdicts.json',
  ]
  static override enableJsonFlag = true
  static override flags = reviewFlags

  async run(): Promise<ReviewResult> {
    const { flags, raw } = await this.parse(Review)
    assertReviewFlags(
      flags,
      raw.flatMap((token) => (token.type === 'flag' ? token.flag : [])),
    )
    const isServed = flags.html === undefined && flags.apply === undefined
    return this.withContext(
      (frame) => {
        if (flags.apply !== undefined) return this.#apply(frame, resolve(flags.apply))
        return flags.html === undefined ? this.#serve(frame, flags) : this.#write(frame, flags, flags.html)
      },
      isServed ? { onStop: 'what is being made is finished first' } : {},
    )
  }

  async #serve(frame: Frame, flags: ReviewFlags): Promise<ReviewResult> {
    const { settings, stop } = frame
    const review = await openReviewServices(frame)
    const { serveReview } = await import('../review/serve.ts')
    const { cacheFolder } = await import('../settings/settings.ts')
    let url = ''
    try {
      await serveReview(review.services, {
        ...{ filter: toFilter(flags), filters: filtersText(this.argv), models: review.models },
        ...{ who: settings.user, maxMemory: settings.maxMemory, maxPixels: settings.maxPixels },
        output: flags.output === undefined ? undefined : resolve(flags.output),
        port: flags.port ?? 0,
        cache: cacheFolder(settings.home),
        signal: stop.signal,
        onListening: (address) => {
          url = address
          this.logToStderr('The review is at this address until you press Ctrl-C:')
          if (!this.jsonEnabled()) this.log(address)
          else this.logToStderr(address)
          if (flags.open) void this.#openBrowser(address)
        },
      })
    } finally {
      await review.close()
    }
    return { url }
  }

  /** Where there is none, the address is there all the same. */
  async #openBrowser(address: string): Promise<void> {
    const { default: open } = await import('open')
    const started = await open(address).catch(() => undefined)
    started?.on('error', () => {})
  }

  async #write({ context }: Frame, flags: ReviewFlags, folder: string): Promise<ReviewResult> {
    const { writeStaticPage } = await import('../review/static-page.ts')
    const page = await writeStaticPage(
      { database: await context.database(), store: await context.store() },
      {
        folder: resolve(folder),
        filter: toFilter(flags),
        filters: filtersText(this.argv),
        limit: flags.limit,
        overwrite: flags.overwrite ?? false,
      },
    )
    this.log(staticPageText(page))
    return { file: page.file, jobs: page.jobs }
  }

  async #apply({ context, settings }: Frame, file: string): Promise<ReviewResult> {
    const { applyVerdicts } = await import('../review/verdict-file.ts')
    const applied = await applyVerdicts(await context.database(), file, settings.user)
    this.log(appliedText(applied))
    return { applied }
  }
}
