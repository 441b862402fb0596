import { sizeText } from '../../bytes.ts'
import type { Blocked, MigrationEffect } from '../../database/migration-effects.ts'

const blocked: Record<Blocked, string> = {
  reads: 'blocks reads and writes of',
  writes: 'blocks writes of',
  nobody: 'blocks nobody; works through',
}

/**
 * What a migration does to the tables that are in use, as comments of SQL.
 *
 * @param effects of all pending ones; undefined where nobody else can use the database
 */
export function effectsText(migration: string, effects: readonly MigrationEffect[] | undefined): string {
  if (effects === undefined) return ''
  const own = effects.filter((effect) => effect.migration === migration)
  if (own.length === 0) return '-- blocks nobody\n'
  return own
    .map(
      ({ table, blocks, bytes, seconds }) =>
        `-- ${blocked[blocks]} ${table} (${sizeText(bytes)}) for ${lengthText(seconds)}\n`,
    )
    .join('')
}

function lengthText(seconds: number): string {
  if (seconds === 0) return 'a moment'
  return seconds < 120 ? `about ${seconds} s` : `about ${Math.round(seconds / 60)} min`
}
