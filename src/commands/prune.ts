import * as Flags from '@oclif/core/flags'
import { type Context, openContext } from '../context.ts'
import type { PrunePlan, PrunePolicy } from '../database/tombstones.ts'
import { RmbgError } from '../errors.ts'
import { resolveSettings } from '../settings/settings.ts'
import { parseAge } from '../settings/when.ts'
import { BaseCommand } from '../terminal/command.ts'
import { confirm } from '../terminal/confirm.ts'
import { exitStatus } from '../terminal/exit.ts'
import { plural } from '../terminal/plural.ts'
import { progress } from '../terminal/progress.ts'
import { onStopSignals } from '../terminal/signals.ts'
import {
  orphansText,
  orphanText,
  planText,
  reindexedText,
  reindexPlanText,
  resultText,
} from '../terminal/texts/upkeep-text.ts'
import type { OrphanCounts } from '../upkeep/orphans.ts'
import type { PruneResult } from '../upkeep/prune.ts'
import type { ReindexedIndex, ReindexPlan } from '../upkeep/reindex.ts'

export interface PruneOutcome {
  plan?: PrunePlan
  pruned?: PruneResult
  orphans?: OrphanCounts
  reindexPlan?: ReindexPlan
  reindexed?: ReindexedIndex[]
}

/** What --orphans does not ask for. */
const agePolicy = [
  ...['older-than', 'status', 'failed-older-than', 'abandoned-older-than', 'keep-last', 'user', 'tag'],
  ...['except-tag', 'rate', 'versions'],
]

export default class Prune extends BaseCommand {
  static override summary = 'Delete old jobs with their objects, and tidy up.'
  static override description =
    `Shows first what would go; then asks, or with --yes goes ahead. Killed at any moment it loses nothing that should stay: run it again. Statistics keep what was deleted.

Without other options: completed jobs older than 6 months. Times are those of the database.

Exit status: 0 done, ${exitStatus.usage} refused or wrong usage, ${exitStatus.database} database, ${exitStatus.store} object store, ${exitStatus.interrupted} stopped by Ctrl-C.`
  static override examples = [
    '<%= config.bin %> prune --dry-run',
    '<%= config.bin %> prune --older-than 90d --except-tag keep --yes',
    '<%= config.bin %> prune --keep-last 1000 --failed-older-than 30d --abandoned-older-than 7d --yes',
    '<%= config.bin %> prune --orphans --dry-run',
    '<%= config.bin %> prune --vacuum --reindex --yes',
  ]
  static override enableJsonFlag = true
  static override flags = {
    'older-than': Flags.string({ helpValue: 'AGE', default: '6mo', description: 'how old a job has to be' }),
    status: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      options: ['completed', 'failed'],
      default: ['completed'],
      description: 'which jobs --older-than is about; repeatable',
    }),
    'failed-older-than': Flags.string({ helpValue: 'AGE', description: 'also failed jobs of this age' }),
    'abandoned-older-than': Flags.string({
      helpValue: 'AGE',
      description: 'also jobs of this age that nobody works on any more',
    }),
    'keep-last': Flags.integer({
      min: 1,
      max: 1_000_000,
      helpValue: 'N',
      description: 'leave every user the newest N completed jobs',
    }),
    user: Flags.string({ description: 'only jobs of this user' }),
    tag: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      description: 'only jobs with this tag; repeatable, for all of several',
    }),
    'except-tag': Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      description: 'leave jobs with this tag; repeatable, for any of several',
    }),
    'dry-run': Flags.boolean({ default: false, description: 'show the plan and stop there' }),
    yes: Flags.boolean({ char: 'y', default: false, description: 'do not ask' }),
    'max-share': Flags.string({
      helpValue: 'PERCENT',
      description:
        'refuse when more than this share of all jobs would go (default: 50%), or of all objects with --orphans (10%)',
    }),
    rate: Flags.integer({ min: 1, default: 2000, helpValue: 'N', description: 'jobs per second at most' }),
    'keep-objects': Flags.boolean({
      default: false,
      description: 'leave objects in the store; with --orphans: change rows only',
    }),
    versions: Flags.boolean({
      default: false,
      description: 'also remove the old versions that a bucket keeps of the objects',
    }),
    orphans: Flags.boolean({
      default: false,
      description:
        'instead: remove objects without a job, and fail jobs without their objects so that the next run makes them anew',
      exclusive: agePolicy,
    }),
    grace: Flags.string({
      helpValue: 'AGE',
      description: 'leave orphans that are younger (default: 24h)',
      dependsOn: ['orphans'],
    }),
    'keep-rows': Flags.boolean({
      default: false,
      description: 'change objects only',
      dependsOn: ['orphans'],
    }),
    vacuum: Flags.boolean({ default: false, description: 'then vacuum and analyze the tables' }),
    reindex: Flags.boolean({
      default: false,
      description: 'then build indexes anew that would shrink, one at a time, without blocking anybody',
    }),
  }

  async run(): Promise<PruneOutcome> {
    const { flags } = await this.parse(Prune)
    const policy = toPolicy(flags)
    const maxShare = parseShare(flags['max-share'] ?? (flags.orphans ? '10%' : '50%'))
    const grace = parseAge('grace', flags.grace ?? '24h')
    const context = openContext(await resolveSettings({}))
    const stop = onStopSignals((message) => this.logToStderr(message), 'the batch in work is finished first')
    try {
      const given = { ...flags, signal: stop.signal, grace, maxShare }
      const outcome = flags.orphans
        ? await this.#sweep(context, given)
        : await this.#prune(context, policy, given)
      await this.#maintain(context, given, outcome)
      if (stop.signal.aborted) process.exitCode = stop.status()
      return outcome
    } catch (error) {
      if (stop.signal.aborted) this.stopped(stop)
      throw error
    } finally {
      await context.close()
      stop.release()
    }
  }

  async #prune(context: Context, policy: PrunePolicy, flags: Given): Promise<PruneOutcome> {
    const database = await context.database()
    const { assertWithinBrakes, plannedRows, planPruning, prune } = await import('../upkeep/prune.ts')
    const plan = await planPruning(database, policy)
    const rows = plannedRows(plan)
    this.log(planText(plan, { keepObjects: flags['keep-objects'] }))
    assertWithinBrakes(plan, flags)
    if (flags['dry-run']) return { plan }
    if (rows > 0)
      await confirm(
        `Delete ${plural(rows, 'job')}${flags['keep-objects'] ? '' : ' and their objects'}?`,
        flags,
      )
    const store = await context.store()
    await store.check(flags.signal)
    const bar = progress('jobs', rows, { silent: this.jsonEnabled() })
    const pruned = await prune({ database, store }, policy, plan, {
      keepObjects: flags['keep-objects'],
      versions: flags.versions,
      rate: flags.rate,
      signal: flags.signal,
      onProgress: ({ jobs }) => bar.add(jobs ?? 0),
    }).finally(() => bar.stop())
    if (rows > 0 || pruned.objects > 0) this.log(resultText(pruned))
    return { plan, pruned }
  }

  async #sweep(context: Context, flags: Given): Promise<PruneOutcome> {
    const services = { database: await context.database(), store: await context.store() }
    const { assertFewOrphans, assertStoreClock, sweepOrphans } = await import('../upkeep/orphans.ts')
    await services.store.check(flags.signal)
    await assertStoreClock(services.store, flags.signal)
    const options = {
      grace: flags.grace,
      keepObjects: flags['keep-objects'],
      keepRows: flags['keep-rows'],
      signal: flags.signal,
    }
    const found = await sweepOrphans(services, {
      ...options,
      dryRun: true,
      onOrphan: (orphan) => this.log(orphanText(orphan)),
    })
    this.log(orphansText(found))
    if (flags['dry-run'] || found.objects + found.rows === 0) return { orphans: found }
    const doings = [
      ...(flags['keep-objects'] ? [] : [`remove ${plural(found.objects, 'object')}`]),
      ...(flags['keep-rows'] ? [] : [`fail ${plural(found.rows, 'job')}`]),
    ]
    if (doings.length === 0) return { orphans: found }
    if (!flags['keep-objects']) assertFewOrphans(found, flags.maxShare)
    await confirm(`Go ahead: ${doings.join(' and ')}?`, flags)
    const orphans = await sweepOrphans(services, { ...options, dryRun: false })
    this.log('Done.')
    return { orphans }
  }

  async #maintain(context: Context, flags: Given, outcome: PruneOutcome): Promise<void> {
    if (!flags.vacuum && !flags.reindex) return
    const database = await context.database()
    const { planReindex, reindexAll } = await import('../upkeep/reindex.ts')
    const { vacuumTables } = await import('../database/indexes.ts')
    if (flags.vacuum && !flags['dry-run'] && !flags.signal.aborted) {
      await vacuumTables(database.sql, (table) => this.log(`vacuum   ${table}`))
    }
    if (!flags.reindex || flags.signal.aborted) return
    const plan = await planReindex(database)
    outcome.reindexPlan = plan
    this.log(reindexPlanText(plan))
    if (flags['dry-run']) return
    outcome.reindexed = await reindexAll(database, plan, {
      signal: flags.signal,
      onIndex: (index) => this.log(reindexedText(index)),
    })
  }
}

interface Given {
  'dry-run': boolean
  yes: boolean
  maxShare: number
  rate: number
  'keep-objects': boolean
  'keep-rows': boolean
  versions: boolean
  grace: string
  vacuum: boolean
  reindex: boolean
  signal: AbortSignal
}

function toPolicy(flags: {
  'older-than': string
  status: string[]
  'failed-older-than'?: string | undefined
  'abandoned-older-than'?: string | undefined
  'keep-last'?: number | undefined
  user?: string | undefined
  tag?: string[] | undefined
  'except-tag'?: string[] | undefined
}): PrunePolicy {
  const age = parseAge('older-than', flags['older-than'])
  const own = (flag: 'failed-older-than' | 'abandoned-older-than') =>
    flags[flag] === undefined ? undefined : parseAge(flag, flags[flag])
  const failed = own('failed-older-than') ?? (flags.status.includes('failed') ? age : undefined)
  const abandoned = own('abandoned-older-than')
  return {
    olderThan: {
      ...(flags.status.includes('completed') && { completed: age }),
      ...(failed !== undefined && { failed }),
      ...(abandoned !== undefined && { abandoned }),
    },
    keepLast: flags['keep-last'],
    filter: {
      ...(flags.user !== undefined && { user: flags.user }),
      ...(flags.tag && { tags: [...new Set(flags.tag)] }),
      ...(flags['except-tag'] && { exceptTags: [...new Set(flags['except-tag'])] }),
    },
  }
}

function parseShare(share: string): number {
  const [, number] = /^(\d+(?:\.\d+)?)%?$/.exec(share.trim()) ?? []
  if (number !== undefined && Number(number) <= 100) return Number(number)
  throw new RmbgError('USAGE', `--max-share expects a share such as 50% but received "${share}".`)
}
