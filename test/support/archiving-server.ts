/** A small PostgreSQL server of its own that archives its WAL with pgBackRest. */
import { existsSync } from 'node:fs'
import { appendFile, chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { execa } from 'execa'
import { asPostgres, freePort, programs } from '../faults/cluster.ts'

export const stanza = 'rmbg'

/** Whether there is all that it takes; in CI there is. */
export const hasPgBackRest =
  programs !== undefined &&
  (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, 'pgbackrest')))

/** Starts one in a folder of its own, with an empty stanza; `close` stops it and removes everything. */
export async function archivingServer() {
  const folder = await mkdtemp(join(tmpdir(), 'rmbg-wal-'))
  const port = await freePort()
  const data = join(folder, 'data')
  const config = join(folder, 'pgbackrest.conf')
  const as = (program: string, args: string[]) => {
    const [file, ...rest] = [...asPostgres, program, ...args]
    return execa(file!, rest, { cwd: folder, stdin: 'ignore' })
  }
  const pgCtl = join(programs!, 'pg_ctl')
  const control = (...args: string[]) =>
    as(pgCtl, ['-D', data, '-l', join(folder, 'server.log'), '-w', '-t', '100', ...args])
  const pgbackrest = (...args: string[]) =>
    as('pgbackrest', [`--config=${config}`, `--stanza=${stanza}`, ...args])

  await chmod(folder, 0o755)
  for (const name of ['repo', 'log', 'lock', 'spool']) await mkdir(join(folder, name))
  await writeFile(
    config,
    [
      ...[
        '[global]',
        `repo1-path=${folder}/repo`,
        'repo1-retention-full=2',
        'start-fast=y',
        'compress-level=1',
      ],
      ...[`log-path=${folder}/log`, `lock-path=${folder}/lock`, `spool-path=${folder}/spool`],
      ...['log-level-file=off', 'log-level-console=warn'],
      ...[
        `[${stanza}]`,
        `pg1-path=${data}`,
        `pg1-port=${port}`,
        `pg1-socket-path=${folder}`,
        'pg1-user=postgres',
      ],
      '',
    ].join('\n'),
  )
  if (asPostgres.length > 0) await execa('chown', ['-R', 'postgres', folder])
  // Segments of a megabyte: each one that is archived is written, compressed and read again.
  await as(join(programs!, 'initdb'), [
    ...[
      '-D',
      data,
      '-U',
      'postgres',
      '-A',
      'trust',
      '-E',
      'UTF8',
      '--locale=C',
      '--wal-segsize=1',
      '--no-sync',
    ],
  ])
  await appendFile(
    join(data, 'postgresql.conf'),
    [
      ...[`port = ${port}`, `unix_socket_directories = '${folder}'`, "listen_addresses = '127.0.0.1'"],
      ...['shared_buffers = 16MB', 'max_connections = 30', 'fsync = off', 'archive_mode = on'],
      `archive_command = 'pgbackrest --config=${config} --stanza=${stanza} archive-push %p'`,
      '',
    ].join('\n'),
  )
  await control('start')
  await pgbackrest('stanza-create')
  return {
    folder,
    config,
    /** Of a database on it, by the role that may do everything. */
    urlOf: (database: string) => `postgres://postgres@127.0.0.1:${port}/${database}`,
    fullBackup: () => pgbackrest('--type=full', 'backup'),
    /** Restores it as it was at a moment next to it, and starts that on another port; `stop` stops it. */
    drillTo: async (moment: string) => {
      const trial = join(folder, 'trial')
      const trialPort = await freePort()
      await pgbackrest(`--pg1-path=${trial}`, '--archive-mode=off', ...pointInTime(moment), 'restore')
      await as(pgCtl, ['-D', trial, '-l', join(folder, 'trial.log'), '-o', `-p ${trialPort}`, '-w', 'start'])
      return {
        url: `postgres://postgres@127.0.0.1:${trialPort}/rmbg`,
        stop: () => as(pgCtl, ['-D', trial, '-m', 'immediate', 'stop']),
      }
    },
    /** Brings the whole server back to a moment, as PostgreSQL writes one, and waits until it may be written to. */
    restoreTo: async (moment: string) => {
      await control('-m', 'fast', 'stop')
      await pgbackrest('--delta', ...pointInTime(moment), 'restore')
      await control('start')
    },
    close: async () => {
      await control('-m', 'immediate', 'stop').catch(() => {})
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** As docs/backup.md has it. */
const pointInTime = (moment: string) => ['--type=time', `--target=${moment}`, '--target-action=promote']
