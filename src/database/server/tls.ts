/** How a connection is encrypted, and whom it trusts, by libpq's parameters. */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { ConnectionOptions, SecureVersion } from 'node:tls'
import { RmbgError } from '../../errors.ts'
import type { Parameters } from './parameters.ts'

/** Which certificates are believed: any, those of a trusted authority, or those that also hold the host's name. */
export type Check = 'nothing' | 'chain' | 'name'

export interface Tls {
  /** `required` fails where the server speaks no TLS; `preferred` goes on in plain text, and `avoided` begins with it. */
  use: 'never' | 'avoided' | 'preferred' | 'required'
  check: Check
  /** TLS begins at once (PostgreSQL 17), without asking whether the server speaks it. */
  direct: boolean
  /** Whether the server is told which host is meant. */
  sni: boolean
  /** Authority, certificate, key and versions. Without an authority, Node's and NODE_EXTRA_CA_CERTS count. */
  secure: Pick<ConnectionOptions, 'ca' | 'cert' | 'key' | 'passphrase' | 'crl' | 'minVersion' | 'maxVersion'>
  /** For libpq's programs: the same as files. */
  files: Partial<Record<'sslrootcert' | 'sslcert' | 'sslkey' | 'sslpassword' | 'sslcrl', string>>
  mode: SslMode
}

export type SslMode = Exclude<NonNullable<Parameters['sslmode']>, 'no-verify'>

const uses: Record<SslMode, Tls['use']> = {
  disable: 'never',
  allow: 'avoided',
  prefer: 'preferred',
  require: 'required',
  'verify-ca': 'required',
  'verify-full': 'required',
}

/** @throws RmbgError CONFIG_INVALID when a file cannot be used, or two parameters contradict each other */
export function tlsOf(parameters: Parameters, home: string): Tls {
  const { sslmode, sslrootcert, sslnegotiation } = parameters
  const isSystem = sslrootcert === 'system'
  const mode = sslmode === 'no-verify' ? 'require' : (sslmode ?? (isSystem ? 'verify-full' : 'prefer'))
  if (isSystem && mode !== 'verify-full')
    throw contradiction('sslrootcert=system', `sslmode=verify-full, not ${mode}`)
  const direct = sslnegotiation === 'direct'
  if (direct && uses[mode] !== 'required')
    throw contradiction('sslnegotiation=direct', `sslmode=require or stricter, not ${mode}`)
  const root = isSystem || mode === 'disable' ? undefined : rootFile(sslrootcert, home)
  const check = checkOf(mode, root !== undefined && sslmode !== 'no-verify')
  const own = mode === 'disable' ? {} : ownFiles(parameters, home)
  const files = { ...own, ...(root !== undefined && check !== 'nothing' && { sslrootcert: root }) }
  return {
    use: uses[mode],
    check,
    direct,
    sni: parameters.sslsni ?? true,
    secure: { ...read(files), ...versions(parameters) },
    files,
    mode,
  }
}

function checkOf(mode: SslMode, hasRoot: boolean): Check {
  if (mode === 'verify-full') return 'name'
  // libpq: "If a root CA file is present, verify the certificate in the same way as if verify-ca was specified."
  return mode === 'verify-ca' || (mode === 'require' && hasRoot) ? 'chain' : 'nothing'
}

/** The file of trusted authorities that was named, or libpq's own where it is there. */
function rootFile(given: string | undefined, home: string): string | undefined {
  if (given !== undefined) return given
  return present(join(home, '.postgresql/root.crt'))
}

function ownFiles({ sslcert, sslkey, sslpassword, sslcrl }: Parameters, home: string): Tls['files'] {
  const cert = sslcert ?? present(join(home, '.postgresql/postgresql.crt'))
  const key = cert === undefined ? undefined : (sslkey ?? join(home, '.postgresql/postgresql.key'))
  const crl = sslcrl ?? present(join(home, '.postgresql/root.crl'))
  return {
    ...(cert !== undefined && { sslcert: cert }),
    ...(key !== undefined && { sslkey: key }),
    ...(sslpassword !== undefined && { sslpassword }),
    ...(crl !== undefined && { sslcrl: crl }),
  }
}

const present = (file: string): string | undefined => (existsSync(file) ? file : undefined)

function read({ sslrootcert, sslcert, sslkey, sslpassword, sslcrl }: Tls['files']): Tls['secure'] {
  if (sslkey !== undefined) assertKeyIsPrivate(sslkey)
  return {
    ...(sslrootcert !== undefined && { ca: contentOf('sslrootcert', sslrootcert) }),
    ...(sslcert !== undefined && { cert: contentOf('sslcert', sslcert) }),
    ...(sslkey !== undefined && { key: contentOf('sslkey', sslkey) }),
    ...(sslpassword !== undefined && { passphrase: sslpassword }),
    ...(sslcrl !== undefined && { crl: contentOf('sslcrl', sslcrl) }),
  }
}

function contentOf(parameter: string, file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    const reason = code === 'ENOENT' ? 'is not there' : `cannot be read (${code})`
    throw new RmbgError('CONFIG_INVALID', `The file ${file} of ${parameter} ${reason}.`, { cause })
  }
}

/** As libpq: readable by its owner alone; of root's, also by a group. */
function assertKeyIsPrivate(file: string): void {
  if (process.getuid === undefined) return // Windows has no such modes
  const found = statSync(file, { throwIfNoEntry: false })
  if (!found) return // reading tells
  const foreign = found.uid === 0 ? 0o037 : 0o077
  if ((found.mode & foreign) === 0) return
  throw new RmbgError(
    'CONFIG_INVALID',
    `The key ${file} of sslkey can be read by others, so it is not used.`,
    {
      hint: `Run chmod 0600 ${file}.`,
    },
  )
}

function versions({ ssl_min_protocol_version: min, ssl_max_protocol_version: max }: Parameters) {
  return {
    ...(min !== undefined && { minVersion: min as SecureVersion }),
    ...(max !== undefined && { maxVersion: max as SecureVersion }),
  }
}

const contradiction = (one: string, needed: string): RmbgError =>
  new RmbgError('CONFIG_INVALID', `${one} of the database connection needs ${needed}.`)
