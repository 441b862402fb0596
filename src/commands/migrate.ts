import * as Flags from '@oclif/core/flags'
import type { MigrationPlan } from '../database/migrate.ts'
import { BaseCommand, type Frame } from '../terminal/command.ts'
import { exitStatus } from '../terminal/exit.ts'

export interface MigrateResult {
  database: string
  applied: string[]
  pending: string[]
}

export default class Migrate extends BaseCommand {
  static override summary = 'Bring the database to the schema of this program.'
  static override description =
    `Applies the SQL files in migrations/ that the database lacks, each in one transaction. You can run it any number of times, and from several places at once. An embedded database migrates itself.

Exit status: 0 up to date, ${exitStatus.migrationsPending} with --status when migrations are pending, ${exitStatus.database} when the database cannot be reached or does not fit this program.`
  static override examples = [
    '<%= config.bin %> migrate',
    '<%= config.bin %> migrate --status',
    '<%= config.bin %> migrate --patience 5m',
  ]
  static override enableJsonFlag = true
  static override flags = {
    status: Flags.boolean({
      default: false,
      description: 'only show what is applied and pending',
      exclusive: ['dry-run'],
    }),
    'dry-run': Flags.boolean({ default: false, description: 'print the SQL that would run; write nothing' }),
    wait: Flags.integer({
      min: 0,
      helpValue: 'SECONDS',
      description: 'the same as --patience, in seconds',
      exclusive: ['patience'],
    }),
  }

  async run(): Promise<MigrateResult> {
    const { flags } = await this.parse(Migrate)
    const { wait } = flags
    const patience = wait === undefined ? {} : { patience: `${wait}s` }
    return this.withContext((frame) => this.#migrate(frame, flags), { flags: patience, namesDatabase: true })
  }

  async #migrate({ context }: Frame, flags: { status: boolean; 'dry-run': boolean }): Promise<MigrateResult> {
    const onlyLooks = flags.status || flags['dry-run']
    const { applyMigrations, planMigrations, shippedMigrations } = await import('../database/migrate.ts')
    if (onlyLooks && !(await context.databaseExists())) {
      const plan = { applied: [], pending: await shippedMigrations() }
      return this.#show('no embedded database yet', plan, flags)
    }
    const database = await context.database({ migrated: false })
    const { location } = database
    const plan = await planMigrations(database.sql)
    if (onlyLooks) return this.#show(location, plan, flags)
    const done = await applyMigrations(database, {
      onApplied: (name) => this.log(`applied  ${name}`),
      onWaiting: () => this.logToStderr('Waiting for another migrator to finish.'),
    })
    this.logToStderr(
      done.length > 0 ? 'The database is up to date.' : 'Nothing to do: the database is up to date.',
    )
    return { database: location, applied: [...plan.applied, ...done], pending: [] }
  }

  #show(database: string, { applied, pending }: MigrationPlan, flags: { 'dry-run': boolean }): MigrateResult {
    if (flags['dry-run']) {
      for (const { name, sql } of pending) this.log(`-- ${name}\n${sql}`)
      if (pending.length === 0) this.logToStderr('Nothing to do: the database is up to date.')
    } else {
      for (const name of applied) this.log(`applied  ${name}`)
      for (const { name } of pending) this.log(`pending  ${name}`)
      if (pending.length > 0) process.exitCode = exitStatus.migrationsPending
    }
    return { database, applied, pending: pending.map(({ name }) => name) }
  }
}
