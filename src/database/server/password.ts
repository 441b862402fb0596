import { statSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import pgpass from 'pgpass'
import { RmbgError } from '../../errors.ts'
import type { Host, Server } from './resolve.ts'

// It warns in its own words of what is checked here before.
pgpass.warnTo(new PassThrough().resume())

/**
 * The password for a host: the one that was given, or that of the password file.
 *
 * @returns '' when there is none
 * @throws RmbgError CONFIG_INVALID when others may read the password file: libpq ignores it, and says so
 */
export async function passwordFor(
  { password, passfile, user, database }: Server,
  host: Host,
): Promise<string> {
  if (password !== undefined) return password
  const file = passfile ?? defaultFile()
  const found = statSync(file, { throwIfNoEntry: false })
  if (!found?.isFile()) return ''
  if (process.getuid !== undefined && (found.mode & 0o077) !== 0) {
    throw new RmbgError(
      'CONFIG_INVALID',
      `The password file ${file} can be read by others, so it is not used, and there is no other password.`,
      { hint: `Run chmod 0600 ${file}.` },
    )
  }
  const whom = { host: nameInFile(host), port: host.port, database, user }
  return (await asked(file, whom)) ?? ''
}

function defaultFile(): string {
  const { APPDATA, HOME } = process.env
  return process.platform === 'win32'
    ? join(APPDATA ?? '.', 'postgresql', 'pgpass.conf')
    : join(HOME ?? '.', '.pgpass')
}

/** As in libpq: the default folders of sockets are localhost, others stand there by their path. */
const nameInFile = ({ name, socketPath }: Host): string =>
  socketPath !== undefined && /^\/(var\/run\/postgresql|run\/postgresql|tmp)$/.test(name) ? 'localhost' : name

function asked(file: string, whom: Parameters<typeof pgpass>[0]): Promise<string | undefined> {
  const before = process.env.PGPASSFILE
  // pgpass 1.0 can be told of a file by this alone, and reads it at once.
  process.env.PGPASSFILE = file
  try {
    return new Promise((resolve) => pgpass(whom, resolve))
  } finally {
    if (before === undefined) delete process.env.PGPASSFILE
    else process.env.PGPASSFILE = before
  }
}
