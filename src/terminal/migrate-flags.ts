import * as Flags from '@oclif/core/flags'
import type * as Interfaces from '@oclif/core/interfaces'
import type { Database } from '../database/contract.ts'
import type { Roles } from '../database/grants.ts'
import { RmbgError } from '../errors.ts'

const role = (description: string) =>
  Flags.string({
    helpGroup: 'ROLES',
    helpValue: 'ROLE',
    multiple: true,
    multipleNonGreedy: true,
    description: `${description}; repeatable`,
    exclusive: ['status'],
  })

/** Flags of `rmbg migrate`. */
export const migrateFlags = {
  status: Flags.boolean({
    default: false,
    description: 'only show what is applied and pending',
    exclusive: ['dry-run'],
  }),
  'dry-run': Flags.boolean({
    default: false,
    description: 'print the SQL that would run, and what it will block; write nothing',
  }),
  wait: Flags.integer({
    min: 0,
    helpValue: 'SECONDS',
    description: 'the same as --patience, in seconds',
    exclusive: ['patience'],
  }),
  partition: Flags.boolean({
    default: false,
    description: 'then turn the log of a server into months, for logs of many millions of jobs',
    exclusive: ['status'],
  }),
  'grant-writer': role('also let this role of the server run images, and nothing else'),
  'grant-reader': role('also let this role of the server read everything'),
}

export type MigrateFlags = Interfaces.InferredFlags<typeof migrateFlags>

/**
 * Gives roles the rights that flags ask for. Roles that had rights before get those to what migrations have added, too.
 *
 * @param migrations how many were applied, or would be
 * @throws RmbgError USAGE for an embedded database; what `grantRoles` throws
 */
export async function grantAsAsked(
  { sql, kind }: Database,
  flags: MigrateFlags,
  migrations: number,
  tell: { log(line: string): void; logToStderr(line: string): void },
): Promise<{ granted?: Roles }> {
  const roles = { writers: flags['grant-writer'] ?? [], readers: flags['grant-reader'] ?? [] }
  const named = [...roles.writers, ...roles.readers]
  if (named.length === 0 && (kind === 'embedded' || migrations === 0)) return {}
  if (kind === 'embedded') throw new RmbgError('USAGE', 'The embedded database has no roles.')
  const { furtherRights, grantRoles, grantStatements } = await import('../database/grants.ts')
  if (flags.status || (flags['dry-run'] && migrations > 0)) return {}
  if (flags['dry-run']) {
    for (const statement of await grantStatements(sql, roles)) tell.log(`${statement};`)
    return { granted: roles }
  }
  await grantRoles(sql, roles)
  for (const role of named) {
    tell.log(`granted  ${role}`)
    const further = await furtherRights(sql, role)
    if (further !== undefined) tell.logToStderr(`${role} ${further}. Nothing was taken away.`)
  }
  return { granted: roles }
}
