import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as ini from 'ini'
import { RmbgError } from '../../errors.ts'
import { isAbsent } from '../../system/files.ts'
import type { Given } from './url.ts'

/** Where Debian's libpq looks besides. */
const systemFolder = '/etc/postgresql-common'

/** Where services are looked up: the user's own file comes first. */
export function serviceFiles(env: NodeJS.ProcessEnv, home: string): string[] {
  return [
    env.PGSERVICEFILE || join(home, '.pg_service.conf'),
    join(env.PGSYSCONFDIR || systemFolder, 'pg_service.conf'),
  ]
}

/**
 * The connection parameters of a service.
 *
 * @throws RmbgError CONFIG_INVALID when no file names it
 */
export function serviceParameters(name: string, files: readonly string[]): { given: Given; file: string } {
  for (const file of files) {
    const section = sectionsOf(file)[name]
    if (typeof section !== 'object' || section === null) continue
    return {
      given: Object.fromEntries(Object.entries(section).map(([key, value]) => [key, String(value)])),
      file,
    }
  }
  throw new RmbgError('CONFIG_INVALID', `There is no database service "${name}" in ${files.join(' or ')}.`, {
    hint: 'Add a section of that name, or correct PGSERVICE or service= in DATABASE_URL.',
  })
}

function sectionsOf(file: string): ReturnType<typeof ini.parse> {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    if (isAbsent(cause)) return {}
    const { code } = cause as NodeJS.ErrnoException
    throw new RmbgError('CONFIG_INVALID', `The service file ${file} cannot be read (${code}).`, { cause })
  }
  return ini.parse(text.split(/\r?\n/).map(asLibpqReads).join('\n'))
}

/** libpq takes what follows = as it is. `ini` ends a value at ; or #, and takes a dot in a name for a section in a section. */
function asLibpqReads(line: string): string {
  if (line.startsWith('[')) return line.replaceAll(/[\\.]/g, '\\$&')
  const [, key, value] = /^([^#;=][^=]*)=(.*)$/.exec(line.trim()) ?? []
  return value === undefined ? '' : `${key}=${value.replaceAll(/[\\;#]/g, '\\$&')}`
}
