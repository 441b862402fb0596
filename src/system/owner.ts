import { execFileSync } from 'node:child_process'
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import { sha256Of } from './sha256.ts'

/**
 * Who this process is, in one line for locks and leases: host, machine, boot and pid namespace (pids mean
 * something only within those), pid, and start time (pids come again).
 */
export function processOwner(): string {
  return [place(), process.pid, startTime(process.pid)].join(' ')
}

/**
 * Whether the process is certainly gone: it was of this boot and this pid namespace, and its pid is free or belongs
 * to a process started at another time. One of anywhere else may live: only its lease can tell.
 */
export function ownerIsDead(owner: string): boolean {
  const [where, pid, startedAt] = owner.split(' ')
  if (where !== place()) return false
  const started = startTime(Number(pid))
  return started === undefined || (startedAt !== '' && started !== '' && started !== startedAt)
}

/** Whether the process was stopped (Ctrl-Z, SIGSTOP) and does nothing until somebody continues it, as far as one can see. */
export function ownerIsStopped(owner: string): boolean {
  const [where, pid] = owner.split(' ')
  if (where !== place()) return false
  if (process.platform === 'linux') return statFields(Number(pid))[0] === 'T'
  if (process.platform !== 'darwin') return false
  return attempt(() =>
    execFileSync('ps', ['-o', 'state=', '-p', String(pid)], { encoding: 'utf8' }),
  ).startsWith('T')
}

/**
 * Whether the process was of this machine before it was started anew. Good for what lies on the machine's own disk;
 * too bold for leases in a shared database, where clones of one machine may meet.
 */
export function ownerIsOfEarlierBoot(owner: string): boolean {
  const [where = ''] = owner.split(' ')
  const [host, machine, boot, namespace] = where.split('/')
  const [thisHost, thisMachine, thisBoot, thisNamespace] = place().split('/')
  const inContainer = process.platform === 'linux' && thisNamespace !== initialNamespace
  if (inContainer || boot === '' || thisBoot === '' || thisMachine === '') return false
  return host === thisHost && machine === thisMachine && namespace === thisNamespace && boot !== thisBoot
}

/** Of the machine itself, in every Linux: PROC_PID_INIT_INO in include/linux/proc_ns.h. */
const initialNamespace = 'pid:[4026531836]'

let cachedPlace: string | undefined

/** `host/machine/boot/namespace`; what a system has no notion of is empty. */
function place(): string {
  cachedPlace ??= [hostname(), ...machineBootNamespace()].join('/').replaceAll(' ', '_')
  return cachedPlace
}

function machineBootNamespace(): [machine: string, boot: string, namespace: string] {
  if (process.platform === 'linux') {
    return [
      // The machine id is confidential (machine-id(5)): only a digest of our own leaves the machine.
      digest(attempt(() => readFileSync('/etc/machine-id', 'utf8').trim())),
      attempt(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()),
      attempt(() => readlinkSync('/proc/self/ns/pid')),
    ]
  }
  if (process.platform === 'darwin') {
    const boot = attempt(() => execFileSync('sysctl', ['-n', 'kern.bootsessionuuid'], { encoding: 'utf8' }))
    return [digest(hostname()), boot.trim(), '']
  }
  return ['', '', '']
}

const digest = (text: string): string => text && sha256Of(`rmbg ${text}`).slice(0, 12)

function attempt(read: () => string): string {
  try {
    return read()
  } catch {
    return ''
  }
}

/** When the process started, in whatever unit the system counts; '' where it cannot be known; undefined when it is gone. */
function startTime(pid: number): string | undefined {
  try {
    process.kill(pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return undefined
  }
  if (process.platform === 'linux') {
    const fields = statFields(pid)
    const isZombie = fields[0] === 'Z'
    return isZombie ? undefined : (fields[19] ?? '')
  }
  if (process.platform === 'darwin') {
    const started = attempt(() =>
      execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }),
    )
    return started.trim().replaceAll(/\s+/g, '_')
  }
  return ''
}

/** Of Linux, from the third on: the command in the second may hold spaces and brackets. */
function statFields(pid: number): string[] {
  const stat = attempt(() => readFileSync(`/proc/${pid}/stat`, 'utf8'))
  return stat.slice(stat.lastIndexOf(') ') + 2).split(' ')
}
