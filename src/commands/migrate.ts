import type { Roles } from '../database/grants.ts'
import type { MigrationPlan } from '../database/migrate.ts'
import type { MigrationEffect } from '../database/migration-effects.ts'
import { BaseCommand, type Frame } from '../terminal/command.ts'
import { exitStatus } from '../terminal/exit.ts'
import { type MigrateFlags, migrateFlags } from '../terminal/migrate-flags.ts'
import { alsoAsAsked, type PartitionOutcome } from '../terminal/partition-log.ts'
import { effectsText } from '../terminal/texts/migrate-text.ts'

export interface MigrateResult {
  database: string
  applied: string[]
  pending: string[]
  /** With --dry-run on a server: what they will block, and for about how long. */
  effects?: MigrationEffect[]
  /** Roles that were given rights, or would be, with --dry-run. */
  granted?: Roles
  /** With --partition: how the log was, and what was done. */
  partition?: PartitionOutcome
}

export default class Migrate extends BaseCommand {
  static override summary = 'Bring the database to the schema of this program.'
  static override description =
    `Applies the SQL files in migrations/ that the database lacks, each in one transaction. You can run it any number of times, and from several places at once. A table that is in use is waited for in short tries, so that nobody queues behind it. An embedded database migrates itself.

Exit status: 0 up to date, ${exitStatus.migrationsPending} with --status when migrations are pending, ${exitStatus.database} when the database cannot be reached or does not fit this program.`
  static override examples = [
    '<%= config.bin %> migrate',
    '<%= config.bin %> migrate --status',
    '<%= config.bin %> migrate --patience 5m',
    '<%= config.bin %> migrate --partition --dry-run',
    '<%= config.bin %> migrate --grant-writer app --grant-reader dashboards',
  ]
  static override enableJsonFlag = true
  static override flags = migrateFlags

  async run(): Promise<MigrateResult> {
    const { flags } = await this.parse(Migrate)
    const { wait } = flags
    const patience = wait === undefined ? {} : { patience: `${wait}s` }
    return this.withContext((frame) => this.#migrate(frame, flags), { flags: patience, namesDatabase: true })
  }

  async #migrate({ context }: Frame, flags: MigrateFlags): Promise<MigrateResult> {
    const onlyLooks = flags.status || flags['dry-run']
    const { applyMigrations, planMigrations, shippedMigrations } = await import('../database/migrate.ts')
    if (onlyLooks && !(await context.databaseExists())) {
      const plan = { applied: [], pending: await shippedMigrations() }
      return this.#show('no embedded database yet', plan, flags)
    }
    const database = await context.database({ migrated: false, sessions: 'preferred' })
    const { location } = database
    const plan = await planMigrations(database.sql)
    if (onlyLooks) {
      const { migrationEffects } = await import('../database/migration-effects.ts')
      const isInUse = flags['dry-run'] && database.kind === 'server' // whoever migrates an embedded one has it alone
      const effects = isInUse ? await migrationEffects(database.sql, plan.pending) : undefined
      const shown = this.#show(location, plan, flags, effects)
      return { ...shown, ...(await alsoAsAsked(database, flags, plan.pending.length, this)) }
    }
    const done = await applyMigrations(database, {
      onApplied: (name) => this.log(`applied  ${name}`),
      onWaiting: (holder) => this.logToStderr(`Waiting for another migrator to finish: ${holder}.`),
      onBlocked: (message) => this.logToStderr(message),
    })
    this.logToStderr(
      done.length > 0 ? 'The database is up to date.' : 'Nothing to do: the database is up to date.',
    )
    const more = await alsoAsAsked(database, flags, done.length, this)
    return { database: location, applied: [...plan.applied, ...done], pending: [], ...more }
  }

  #show(
    database: string,
    { applied, pending }: MigrationPlan,
    flags: { 'dry-run': boolean },
    effects?: MigrationEffect[],
  ): MigrateResult {
    if (flags['dry-run']) {
      for (const { name, sql } of pending) this.log(`-- ${name}\n${effectsText(name, effects)}${sql}`)
      if (pending.length === 0) this.logToStderr('Nothing to do: the database is up to date.')
    } else {
      for (const name of applied) this.log(`applied  ${name}`)
      for (const { name } of pending) this.log(`pending  ${name}`)
      if (pending.length > 0) process.exitCode = exitStatus.migrationsPending
    }
    return { database, applied, pending: pending.map(({ name }) => name), ...(effects && { effects }) }
  }
}
