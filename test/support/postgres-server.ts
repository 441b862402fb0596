/** PostgreSQL servers of a test's own, for what the shared one cannot be asked: TLS, logins, a standby. */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { chmod, chown, cp, mkdir, readdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Debian's packages keep the programs of each release apart. */
async function programs(): Promise<string> {
  const root = '/usr/lib/postgresql'
  const newest = (await readdir(root)).sort((a, b) => Number(b) - Number(a))[0]
  return join(root, newest!, 'bin')
}

/** PostgreSQL refuses to run as root. */
async function asPostgres(command: string, args: string[]): Promise<void> {
  const isRoot = process.getuid?.() === 0
  // It would wait for what the server that is left behind holds open.
  const [program, rest] = isRoot ? ['runuser', ['-u', 'postgres', '--', command, ...args]] : [command, args]
  await run(program, rest, { env: { ...process.env, LC_ALL: 'C' } })
}

async function ownedByPostgres(path: string): Promise<void> {
  if (process.getuid?.() !== 0) return
  const { stdout } = await run('id', ['-u', 'postgres'])
  await chown(path, Number(stdout), Number(stdout))
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  return port
}

export interface PrivateServer {
  port: number
  /** Of its data and its socket. */
  folder: string
  stop: () => Promise<void>
}

/** Makes a cluster whose superuser is postgres. `folder` is empty and may be entered by everybody. */
export async function makeCluster(folder: string, settings: string, hba: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  await ownedByPostgres(folder)
  const data = join(folder, 'data')
  const options = ['-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale', 'C', '--no-sync']
  await asPostgres(join(await programs(), 'initdb'), ['-D', data, ...options])
  await writeFile(
    join(data, 'postgresql.auto.conf'),
    `fsync = off\nshared_buffers = 1MB\nmax_wal_size = 64MB\n${settings}\n`,
  )
  await writeFile(join(data, 'pg_hba.conf'), hba)
}

/** A copy of a cluster that is not running; `standby` never becomes a primary. */
export async function copyCluster(from: string, to: string, role: 'standby' | 'primary'): Promise<void> {
  await mkdir(to)
  await ownedByPostgres(to)
  // It keeps owners and modes, which PostgreSQL looks at.
  await run('cp', ['-a', join(from, 'data'), join(to, 'data')])
  if (role === 'standby') await writeFile(join(to, 'data/standby.signal'), '')
}

export async function startCluster(folder: string): Promise<PrivateServer> {
  const port = await freePort()
  const pgCtl = join(await programs(), 'pg_ctl')
  const data = join(folder, 'data')
  await asPostgres(pgCtl, [
    ...['-D', data, '-l', join(folder, 'server.log'), '-w', '-t', '60'],
    ...['-o', `-p ${port} -k ${folder} -c listen_addresses=127.0.0.1,::1`, 'start'],
  ])
  return { port, folder, stop: () => asPostgres(pgCtl, ['-D', data, '-m', 'immediate', '-w', 'stop']) }
}

/** Keys and certificates in a folder: `NAME.key` and `NAME.crt`, and those of the authority, `ca`. */
export async function makeCertificates(
  folder: string,
  certificates: Record<string, { name: string; alternatives?: string }>,
): Promise<void> {
  const openssl = (...args: string[]) => run('openssl', args, { cwd: folder })
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '3650']
  for (const authority of ['ca', 'other-ca'])
    await openssl(
      'req',
      '-x509',
      ...curve,
      '-subj',
      `/CN=${authority}`,
      '-keyout',
      `${authority}.key`,
      '-out',
      `${authority}.crt`,
    )
  for (const [file, { name, alternatives }] of Object.entries(certificates)) {
    const extension = alternatives ? ['-addext', `subjectAltName=${alternatives}`] : []
    await openssl(
      ...['req', '-x509', ...curve, '-subj', `/CN=${name}`, '-CA', 'ca.crt', '-CAkey', 'ca.key'],
      ...[...extension, '-keyout', `${file}.key`, '-out', `${file}.crt`],
    )
    await chmod(join(folder, `${file}.key`), 0o600)
  }
}

/** Puts a server's certificate where PostgreSQL takes it from. */
export async function giveCertificate(cluster: string, from: string, file: string): Promise<void> {
  for (const kind of ['crt', 'key']) {
    const target = join(cluster, `data/server.${kind}`)
    await cp(join(from, `${file}.${kind}`), target)
    await chmod(target, 0o600)
    await ownedByPostgres(target)
  }
}
