/** Whether the server runs on this machine, so that its disk and memory are those seen here. */
import { readFile } from 'node:fs/promises'
import type postgres from 'postgres'
import { one } from '../rows.ts'

/**
 * An address proves nothing: a tunnel, a container or a pooler ends on this machine and leads to another one. The
 * process that serves this session is here, or it is not.
 */
export async function isServerHere(sql: postgres.Sql): Promise<boolean> {
  const { pid } = one(await sql<{ pid: number }[]>`select pg_backend_pid() as pid`)
  if (!processExists(pid)) return false
  if (process.platform !== 'linux') return true
  const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')
  return /^(postgres|postmaster|edb-postgres)/.test(name)
}

function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // It is another user's.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
