import * as Flags from '@oclif/core/flags'
import type { Database } from '../database/connect.ts'
import { databaseFolder, resolveSettings } from '../settings/settings.ts'
import { BaseCommand } from '../terminal/command.ts'
import { exitStatus } from '../terminal/exit.ts'

export interface MigrateResult {
  database: string
  applied: string[]
  pending: string[]
}

export default class Migrate extends BaseCommand {
  static override summary = 'Bring the database to the schema of this program.'
  static override description =
    `Applies the SQL files in migrations/ that the database lacks, each in one transaction. Safe to run any number of times and from several places at once. An embedded database migrates itself.

Exit status: 0 up to date, ${exitStatus.migrationsPending} with --status when migrations are pending, ${exitStatus.database} when the database cannot be reached or does not fit.`
  static override examples = [
    '<%= config.bin %> migrate',
    '<%= config.bin %> migrate --status',
    '<%= config.bin %> migrate --wait 60',
  ]
  static override enableJsonFlag = true
  static override flags = {
    status: Flags.boolean({ description: 'only tell what is applied and pending', exclusive: ['dry-run'] }),
    'dry-run': Flags.boolean({ description: 'print the SQL that would run; writes nothing' }),
    wait: Flags.integer({
      min: 0,
      default: 0,
      helpValue: 'SECONDS',
      description: 'wait for a database that is still starting',
    }),
  }

  async run(): Promise<MigrateResult> {
    const { flags } = await this.parse(Migrate)
    const settings = await resolveSettings(flags)
    const { applyMigrations, planMigrations, shippedMigrations, waitForDatabase } = await import(
      '../database/migrate.ts'
    )
    const onlyLooks = flags.status || flags['dry-run']
    const database = await open(settings.databaseUrl, databaseFolder(settings.home), { create: !onlyLooks })
    try {
      if (database) await waitForDatabase(database.sql, flags.wait)
      const { applied, pending } = database
        ? await planMigrations(database.sql)
        : { applied: [], pending: await shippedMigrations() }
      const result = {
        database: database?.location ?? 'no embedded database yet',
        applied,
        pending: pending.map(({ name }) => name),
      }
      if (flags['dry-run']) {
        for (const { name, sql } of pending) this.log(`-- ${name}\n${sql}`)
        if (pending.length === 0) this.logToStderr('Nothing to do: the database is up to date.')
        return result
      }
      if (flags.status) {
        for (const name of applied) this.log(`applied  ${name}`)
        for (const { name } of pending) this.log(`pending  ${name}`)
        if (pending.length > 0) process.exitCode = exitStatus.migrationsPending
        return result
      }
      const done = await applyMigrations(database!, {
        onApplied: (name) => this.log(`applied  ${name}`),
        onWaiting: () => this.logToStderr('Waiting for another migrator to finish.'),
      })
      this.logToStderr(
        done.length > 0
          ? `The database is up to date: ${result.database}`
          : 'Nothing to do: the database is up to date.',
      )
      return { ...result, applied: [...applied, ...done], pending: [] }
    } finally {
      await database?.close()
    }
  }
}

/** @returns undefined for an embedded database that is not there and is not to be created */
async function open(
  databaseUrl: string | undefined,
  folder: string,
  { create }: { create: boolean },
): Promise<Database | undefined> {
  if (databaseUrl) {
    const { connectServer } = await import('../database/connect.ts')
    return connectServer(databaseUrl)
  }
  const { embeddedExists, openEmbedded } = await import('../database/embedded.ts')
  if (!create && !(await embeddedExists(folder))) return undefined
  return openEmbedded(folder, { migrate: false })
}
