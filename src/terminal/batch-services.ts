/** What `process` and `watch` have in common: settings become a recipe, and drivers become services. */
import type { BatchServices } from '../process/contract.ts'
import { type ResolvedCutout, resolveCutout } from '../settings/cutout-settings.ts'
import { loadPreset, type Preset } from '../settings/presets.ts'
import type { ResolvedSettings } from '../settings/settings.ts'
import type { Frame } from './command.ts'
import type { ProcessFlags } from './process-flags.ts'
import { ownershipOf } from './take-over.ts'

/** @throws RmbgError USAGE */
export async function resolveRecipe(
  settings: ResolvedSettings,
): Promise<{ preset: Preset | undefined; cutout: ResolvedCutout }> {
  const preset = settings.preset === undefined ? undefined : await loadPreset(settings.preset)
  return { preset, cutout: await resolveCutout({ ...preset?.cutout, ...settings }) }
}

/**
 * Opens what a batch works with, and makes sure that the store is this database's. A dry run writes nothing and asks
 * for nothing.
 *
 * @throws RmbgError of families `database`, `store` and `model`
 */
export async function openBatchServices(
  { context, stop }: Frame,
  flags: Pick<ProcessFlags, 'from-mask' | 'dry-run' | 'take-over' | 'yes'>,
): Promise<BatchServices> {
  const [masks, store] = await Promise.all([
    flags['from-mask']
      ? ('from-store' as const)
      : context.modelSpec().then((spec) => ({ spec, model: context.model })),
    context.store(),
  ])
  if (!flags['dry-run']) await store.check(stop.signal)
  const database = await context.database()
  // Cut-outs from masks are new objects too.
  // Without a terminal, --take-over is the answer itself.
  const yes = flags.yes || undefined
  if (!flags['dry-run'])
    await context.ownStore(database, ownershipOf({ 'take-over': flags['take-over'], yes }, { claims: true }))
  return { store, database, masks }
}
