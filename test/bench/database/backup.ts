/** Backup and restore against pg_dump and pg_restore alone. */

import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import postgres from 'postgres'
import { readManifest } from '../../../src/backup/manifest.ts'
import { restoreBackup } from '../../../src/backup/restore.ts'
import { takeBackup } from '../../../src/backup/take.ts'
import { connectServer, ensureDatabase } from '../../../src/database/connect.ts'
import { findTool } from '../../../src/database/pg-tools.ts'
import { directoryStore } from '../../../src/store/directory.ts'

export interface BackupTimes {
  what: string
  seconds: number
  bytes: number | null
}

export async function timeBackup(url: string, { restore }: { restore: boolean }): Promise<BackupTimes[]> {
  const folder = await mkdtemp(join(process.env.RMBG_BENCH_FOLDER ?? tmpdir(), 'rmbg-bench-'))
  const database = connectServer(url)
  const store = directoryStore(join(folder, 'store'))
  const vault = { store: directoryStore(join(folder, 'vault')), location: folder }
  const times: BackupTimes[] = []
  const timed = async <T>(what: string, action: () => Promise<T>, bytes: (result: T) => number | null) => {
    const startedAt = performance.now()
    const result = await action()
    times.push({ what, seconds: (performance.now() - startedAt) / 1000, bytes: bytes(result) })
    console.error(what, times.at(-1)!.seconds.toFixed(0), 's')
    return result
  }
  const target = async (name: string) => {
    const admin = postgres(url, { max: 1, onnotice: () => {} })
    await admin`drop database if exists ${admin(name)}`
    await admin.end()
    return ensureDatabase(url, name)
  }
  const file = join(folder, 'bare.dump')
  try {
    const [row] = await database.sql`select current_setting('server_version_num')::int / 10000 as major`
    const dump = await findTool('pg_dump', row!.major)
    const restorer = await findTool('pg_restore', row!.major)
    await timed(
      'pg_dump -Fc',
      () => execa(dump, ['--format=custom', `--file=${file}`, `--dbname=${url}`]),
      () => null,
    )
    times.at(-1)!.bytes = (await stat(file)).size
    const { manifest } = await timed(
      'rmbg backup',
      () =>
        takeBackup(
          { database, store, vault },
          {
            ...{ program: 'bench', objects: false, drill: false, keepLast: undefined, keepDays: undefined },
            ...{ signal: new AbortController().signal, onObject: () => {}, onStep: () => {} },
          },
        ),
      (result) => result.manifest.database.bytes,
    )
    if (!restore) return times
    const bare = await target('rmbg_bench_bare')
    await timed(
      'pg_restore',
      () => execa(restorer, ['--single-transaction', '--no-owner', `--dbname=${bare}`, file]),
      () => null,
    )
    await target('rmbg_bench_bare')
    const ours = await target('rmbg_bench_ours')
    const restored = connectServer(ours)
    await timed(
      'rmbg restore',
      async () => restoreBackup(vault, await readManifest(vault, manifest.backupId), restored),
      () => null,
    )
    await restored.close()
    return times
  } finally {
    await database.close()
    await rm(folder, { recursive: true })
  }
}
