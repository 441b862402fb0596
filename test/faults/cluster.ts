/** A PostgreSQL server of the test's own, that it may restart, stop and starve. */
import { constants } from 'node:fs'
import { access, appendFile, chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { describe } from 'vitest'
import { databasePassword } from './assert-output.ts'

const isRoot = process.getuid?.() === 0
/** PostgreSQL refuses to run as root. */
export const asPostgres = isRoot ? ['runuser', '-u', 'postgres', '--'] : []
/** The folder of the server's programs; undefined where they are not installed. */
export const programs = await findPrograms()

/** Skips, visibly, where PostgreSQL's server programs are not installed; in CI they are. */
export const describeCluster = (title: string, suite: () => void) => {
  if (programs === undefined && process.env.CI) throw new Error('CI must have the programs of PostgreSQL')
  if (programs !== undefined) return describe(title, suite)
  return describe.skip(`${title} (skipped: there is no initdb below /usr/lib/postgresql)`, suite)
}

export interface Cluster {
  /** The password in it is asked for by nobody, and must not be repeated by anybody. */
  urlOf: (role: string, database: string) => string
  restart: (mode: 'fast' | 'immediate') => Promise<void>
  start: () => Promise<void>
  stop: () => Promise<void>
  /** Takes lines for postgresql.conf, in place of those it took before; a restart makes them count. */
  include: (lines: string) => Promise<void>
  /** Makes a standby of it that streams from the slot `standby`. */
  startStandby: () => Promise<Cluster>
  remove: () => Promise<void>
}

type Call = (program: string, ...args: string[]) => Promise<void>

/** @param settings of postgresql.conf, which nothing else overrides */
export const startCluster = (settings: Record<string, string | number> = {}): Promise<Cluster> =>
  start(settings, (call, data) =>
    call('initdb', '-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-sync'),
  )

async function start(
  settings: Record<string, string | number>,
  make: (call: Call, data: string) => Promise<void>,
): Promise<Cluster> {
  const folder = await mkdtemp(join(tmpdir(), 'rmbg-cluster-'))
  await chmod(folder, 0o777)
  const data = join(folder, 'data')
  const port = await freePort()
  const call: Call = async (program, ...args) => {
    const [file, ...rest] = [...asPostgres, join(programs!, program), ...args]
    await execa(file!, rest, { cwd: folder, stdio: 'ignore' })
  }
  await make(call, data)
  const given = { port, listen_addresses: '127.0.0.1', unix_socket_directories: '', ...settings }
  const options = Object.entries(given).map(([name, value]) => `-c ${name}='${value}'`)
  const control = (...args: string[]) =>
    call('pg_ctl', '-D', data, '-w', '-l', join(folder, 'log'), '-o', options.join(' '), ...args)
  await control('start')
  return {
    urlOf: (role, database) => `postgres://${role}:${databasePassword}@127.0.0.1:${port}/${database}`,
    restart: (mode) => control('restart', '-m', mode),
    start: () => control('start'),
    stop: () => control('stop', '-m', 'fast'),
    include: async (lines) => {
      const file = join(folder, 'included.conf')
      const main = join(data, 'postgresql.conf')
      const include = `include '${file}'\n`
      await writeFile(file, lines)
      if (!(await readFile(main, 'utf8')).endsWith(include)) await appendFile(main, include)
    },
    startStandby: () =>
      start(settings, (call, copy) => {
        const source = ['-h', '127.0.0.1', '-p', String(port), '-U', 'postgres', '-D', copy]
        return call('pg_basebackup', ...source, '-R', '-C', '-S', 'standby', '-c', 'fast', '--no-sync')
      }),
    remove: async () => {
      await control('stop', '-m', 'immediate').catch(() => {}) // it may be stopped already
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function findPrograms(): Promise<string | undefined> {
  const root = '/usr/lib/postgresql'
  const releases = await readdir(root).catch(() => [])
  for (const release of releases.sort((a, b) => Number(b) - Number(a))) {
    const folder = join(root, release, 'bin')
    if (
      await access(join(folder, 'initdb'), constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return folder
  }
  return undefined
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}
