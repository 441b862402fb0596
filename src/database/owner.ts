import { execFileSync } from 'node:child_process'
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

/**
 * Who this process is, in one word for locks and leases: host, boot and pid namespace (pids mean something only
 * within them), pid, and start time (pids come again).
 */
export function processOwner(): string {
  return [place(), process.pid, startTime(process.pid)].join(' ')
}

/** Whether the process is certainly gone. One of another machine may live: only its lease can tell. */
export function ownerIsDead(owner: string): boolean {
  const [where, pid, startedAt] = owner.split(' ')
  if (where !== place()) return rebootedSince(where!)
  const started = startTime(Number(pid))
  return started === undefined || (startedAt !== '' && started !== '' && started !== startedAt)
}

/** The same host in an earlier boot: nothing of it lives. */
function rebootedSince(where: string): boolean {
  const [host, boot] = where.split('/')
  const [thisHost, thisBoot] = place().split('/')
  return boot !== undefined && thisBoot !== undefined && host === thisHost && boot !== thisBoot
}

function place(): string {
  const parts = [hostname()]
  if (process.platform === 'linux') {
    parts.push(
      readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
      readlinkSync('/proc/self/ns/pid'),
    )
  }
  return parts.join('/').replaceAll(' ', '_')
}

/** When the process started, in whatever unit the system counts; '' where it cannot be known; undefined when it is gone. */
function startTime(pid: number): string | undefined {
  try {
    process.kill(pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return undefined
  }
  try {
    if (process.platform === 'linux') {
      // The command in field 2 may hold spaces and brackets: fields are counted behind the last bracket.
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ')
      return fields[0] === 'Z' ? undefined : fields[19]!
    }
    if (process.platform === 'darwin') {
      return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' })
        .trim()
        .replaceAll(' ', '_')
    }
  } catch {
    return process.platform === 'linux' ? undefined : ''
  }
  return ''
}
