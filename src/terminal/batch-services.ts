/** What `process` and `watch` have in common: settings become a recipe, and drivers become services. */
import type { Context } from '../context.ts'
import { assertMayRun } from '../database/grants.ts'
import { ensurePartitions } from '../database/partitions.ts'
import type { BatchServices } from '../process/contract.ts'
import { formatFor } from '../process/destination.ts'
import type { PhaseEvent } from '../process/events.ts'
import { type ResolvedCutout, resolveCutout } from '../settings/cutout-settings.ts'
import { loadPreset, type Preset } from '../settings/presets.ts'
import type { ResolvedSettings } from '../settings/settings.ts'
import type { Frame } from './command.ts'
import { type LocalWish, toLocalWish } from './output-flags.ts'
import type { Printer } from './printers/printer.ts'
import type { ProcessFlags } from './process-flags.ts'
import { ownershipOf } from './take-over.ts'

/** What is made of an image, and where it goes besides the store. */
export interface Recipe {
  preset: Preset | undefined
  cutout: ResolvedCutout
  wish: LocalWish
}

/** @throws RmbgError USAGE */
export async function resolveRecipe(
  settings: ResolvedSettings,
  flags: Pick<ProcessFlags, 'suffix' | 'json' | 'output' | 'format'>,
): Promise<Recipe> {
  const wish = toLocalWish(settings, {
    suffix: flags.suffix,
    json: flags.json,
    isTyped: flags.output !== undefined,
    isTerminal: process.stdout.isTTY,
  })
  const preset = settings.preset === undefined ? undefined : await loadPreset(settings.preset)
  const format = formatFor(wish.destination, { flag: flags.format, preset: preset?.cutout.format })
  const cutout = await resolveCutout({ ...preset?.cutout, ...settings, ...(format && { format }) })
  return { preset, cutout, wish }
}

/**
 * Opens what a batch works with, and makes sure that the store is this database's. A dry run writes nothing and asks
 * for nothing. What is wrong with them is found in the order in which it is found soonest.
 *
 * @throws RmbgError of families `database`, `store` and `model`
 */
export async function openBatchServices(
  { context, stop }: Frame,
  flags: Pick<ProcessFlags, 'from-mask' | 'dry-run' | 'take-over' | 'yes'>,
  print: Printer,
): Promise<BatchServices> {
  print({ type: 'phase', phase: 'store', message: 'Opening the store' })
  const [masks, store] = await Promise.all([
    flags['from-mask']
      ? ('from-store' as const)
      : context.modelSpec().then((spec) => ({ spec, model: context.model })),
    context.store(),
  ])
  if (!flags['dry-run']) await store.check(stop.signal)
  print(await databasePhase(context))
  const database = await context.database()
  if (database.kind === 'server' && !flags['dry-run']) {
    await assertMayRun(database.sql)
    await ensurePartitions(database.sql)
  }
  // Cut-outs from masks are new objects too.
  // Without a terminal, --take-over is the answer itself.
  const yes = flags.yes || undefined
  if (!flags['dry-run'])
    await context.ownStore(database, ownershipOf({ 'take-over': flags['take-over'], yes }, { claims: true }))
  return { store, database, masks }
}

async function databasePhase(context: Context): Promise<PhaseEvent> {
  if (await context.databaseExists())
    return { type: 'phase', phase: 'database', message: 'Opening the database' }
  return { type: 'phase', phase: 'new-database', message: 'Creating the embedded database, once' }
}
