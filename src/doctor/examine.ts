import type { Context } from '../context.ts'
import type { ResolvedSettings } from '../settings/settings.ts'
import { type Finding, failed } from './finding.ts'
import { examineDisk, examineMemory, examineProgram, memoryNow } from './machine.ts'
import { examineModel } from './model.ts'
import { examineCache, examineDatabase, examineStore } from './services.ts'

/**
 * Looks at all that a run needs, one thing after the other, and changes nothing.
 *
 * @returns a finding for each; an error is one, too
 */
export async function examine(context: Context, settings: ResolvedSettings): Promise<Finding[]> {
  const before = memoryNow()
  const looking = (name: string, look: () => Promise<Finding>) => look().catch((error) => failed(name, error))
  return [
    await looking('program', examineProgram),
    ...(await examineModel(context, settings)),
    examineMemory(before, settings.maxMemory),
    await looking('disk', () => examineDisk(settings.home)),
    await examineDatabase(context),
    await examineStore(context, settings),
    await examineCache(settings),
  ]
}
