import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { passwordFor } from './password.ts'
import type { Host, Server } from './resolve.ts'

/** Where systems keep the authorities that everybody trusts. */
const systemAuthorities = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/cert.pem',
]

/** For libpq, which verifies whenever a file of authorities is there: one that is not. */
const noAuthorities = '/nonexistent/root.crt'

export interface LibpqEnvironment {
  env: NodeJS.ProcessEnv
  /** To call when the program has ended. */
  remove: () => Promise<void>
}

/**
 * How libpq's programs reach the same server: by their environment, for a command line is visible to everybody.
 * libpq's variables and files were read already; what is left of them here would count twice.
 */
export async function libpqEnvironment(server: Server): Promise<LibpqEnvironment> {
  const inherited = Object.entries(process.env).filter(
    ([variable]) => !/^(AWS_|RMBG_|DATABASE_|REDIS_URL|HF_|PG)/.test(variable),
  )
  const { service, remove } = await serviceOf(server)
  const given = { ...(await placeVariables(server)), ...tlsVariables(server), ...service, LC_ALL: 'C' }
  const own = Object.entries(given).filter(([, value]) => value !== undefined && value !== '')
  return { env: Object.fromEntries([...inherited, ...own]), remove }
}

type Variables = Record<string, string | undefined>

async function placeVariables(server: Server): Promise<Variables> {
  const { hosts, session } = server
  const { application_name: name, options, search_path: searchPath } = session
  const [first, ...others] = hosts
  const of = (part: (host: Host) => string | number) => hosts.map(part).join(',')
  return {
    PGHOST: of((host) => host.name),
    PGHOSTADDR: of(({ name, address }) => (name === address ? '' : address)).replace(/^,*$/, '') || undefined,
    PGPORT: of((host) => host.port),
    PGUSER: server.user,
    PGDATABASE: server.database,
    // libpq asks the file itself where the password differs from host to host.
    PGPASSWORD:
      server.password ?? (others.length === 0 && first ? await passwordFor(server, first) : undefined),
    PGPASSFILE: server.passfile,
    // Older libraries know the oldest of them alone.
    PGTARGETSESSIONATTRS: server.wish === 'any' ? undefined : server.wish,
    PGCONNECT_TIMEOUT: String(Math.ceil(server.connectTimeoutMs / 1000)),
    PGAPPNAME: name,
    PGOPTIONS:
      [options, searchPath && `-c search_path=${searchPath.replaceAll(/[\\\s]/g, '\\$&')}`]
        .filter(Boolean)
        .join(' ') || undefined,
    // Not spoken here either.
    PGGSSENCMODE: 'disable',
  }
}

const tlsVariables = ({ tls: { check, direct, mode, files, secure, sni } }: Server): Variables => ({
  PGSSLMODE: mode,
  PGSSLNEGOTIATION: direct ? 'direct' : undefined,
  PGSSLROOTCERT: check === 'nothing' ? noAuthorities : (files.sslrootcert ?? authoritiesOfNode()),
  PGSSLCERT: files.sslcert,
  PGSSLKEY: files.sslkey,
  PGSSLCRL: files.sslcrl,
  PGSSLSNI: sni ? undefined : '0',
  PGSSLMINPROTOCOLVERSION: secure.minVersion,
  PGSSLMAXPROTOCOLVERSION: secure.maxVersion,
})

/** No variable holds the password of a key: only a service does, in a file. */
async function serviceOf({
  tls: { files },
}: Server): Promise<{ service: Variables; remove: () => Promise<void> }> {
  if (files.sslpassword === undefined) return { service: {}, remove: async () => {} }
  const folder = await mkdtemp(join(tmpdir(), 'rmbg-service-'))
  const file = join(folder, 'pg_service.conf')
  await writeFile(file, `[rmbg]\nsslpassword=${files.sslpassword}\n`, { mode: 0o600 })
  return {
    service: { PGSERVICE: 'rmbg', PGSERVICEFILE: file },
    remove: () => rm(folder, { recursive: true, force: true }),
  }
}

/** Node trusts its own list and this file; libpq takes one file. */
const authoritiesOfNode = (): string =>
  process.env.NODE_EXTRA_CA_CERTS || systemAuthorities.find((file) => existsSync(file)) || 'system'
