/** A lock between processes of one machine, as files in a folder. */
import { randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ownerIsDead, ownerIsOfEarlierBoot, processOwner } from './owner.ts'

/** The process that has a lock, or wants it. */
export interface LockHolder {
  owner: string
  pid: number
  /** ISO 8601. */
  since: string
  /** Such as `rmbg process`. */
  command: string
  /** Where it serves what it holds to other processes, if it does. */
  server?: ServerAddress
}

/** A socket on this machine. */
export interface ServerAddress {
  /** Of a Unix socket, or the name of a pipe of Windows. */
  path: string
  /** What it asks for before it answers. */
  token: string
}

/** Longer than two contenders can keep backing off from one another. */
const attempts = 100
/** Nobody needs longer from creating an announcement to filling it: an empty one of this age was abandoned. */
const abandonedMs = 10_000

/**
 * Takes a lock for this process alone. Each contender announces itself by a file of its own and then looks at the
 * others': of two at the same moment at least one sees the other and steps back. Others remove a file only when its
 * process is dead; as no two processes ever share a name, a live one's cannot be removed by mistake.
 *
 * @param folder holds the lock's files and nothing else; it is made when missing, and stays
 * @param locked makes the error for a lock that another process has, which is unknown when that one just came
 * @param server told to those who find the lock taken
 * @returns releases the lock
 * @throws what `locked` makes, or what the disk reports
 */
export async function takeLock(
  folder: string,
  locked: (holder: LockHolder | undefined) => Error,
  server?: ServerAddress,
): Promise<() => Promise<void>> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const name = `${process.pid}-${randomBytes(6).toString('hex')}`
  const announced = join(folder, name)
  const held = join(folder, `${name}.held`)
  const holder: LockHolder = {
    owner: processOwner(),
    pid: process.pid,
    since: new Date().toISOString(),
    command: ['rmbg', process.argv[2]].filter(Boolean).join(' '),
    ...(server && { server }),
  }
  const file = [JSON.stringify(holder), { mode: 0o600, flag: 'wx' }] as const
  const release = async () => {
    await rm(held, { force: true })
    await rm(announced, { force: true })
  }
  for (let attempt = 0; attempt < attempts; attempt++) {
    let others: Awaited<ReturnType<typeof liveOthers>>
    try {
      await writeFile(announced, ...file)
      others = await liveOthers(folder, name)
      if (others.length === 0) {
        await writeFile(held, ...file)
        return release
      }
    } catch (error) {
      await release() // a full disk leaves empty files
      throw error
    }
    await release()
    const other = others.find(({ isHeld }) => isHeld)
    if (other) throw locked(other.holder)
    await sleep(10 + Math.random() * 40)
  }
  throw locked(undefined)
}

/**
 * Who has a lock, if it may be alive.
 *
 * @param folder as for `takeLock`; it need not be there
 */
export async function lockHolder(folder: string): Promise<LockHolder | undefined> {
  const others = await liveOthers(folder, '').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return []
    throw cause
  })
  return others.find(({ isHeld }) => isHeld)?.holder
}

/** Contenders and holders that may be alive; removes what dead ones left behind. */
async function liveOthers(
  folder: string,
  name: string,
): Promise<{ holder: LockHolder | undefined; isHeld: boolean }[]> {
  const others = []
  for (const file of await readdir(folder)) {
    if (file === name || file === `${name}.held`) continue
    const path = join(folder, file)
    const content = await readFile(path, 'utf8').catch(({ code }: NodeJS.ErrnoException) =>
      code === 'ENOENT' ? 'withdrawn' : 'unreadable',
    )
    if (content === 'withdrawn') continue // this moment
    if (content === 'unreadable') {
      others.push({ holder: undefined, isHeld: file.endsWith('.held') }) // of another user
      continue
    }
    const holder = parse(content)
    const dead = holder
      ? ownerIsDead(holder.owner) || ownerIsOfEarlierBoot(holder.owner)
      : await isAbandoned(path)
    if (dead) await rm(path, { force: true })
    else others.push({ holder, isHeld: file.endsWith('.held') })
  }
  return others
}

function parse(content: string): LockHolder | undefined {
  try {
    return JSON.parse(content)
  } catch {
    return undefined
  }
}

async function isAbandoned(path: string): Promise<boolean> {
  const created = await stat(path).catch(() => undefined)
  return created !== undefined && Date.now() - created.mtimeMs > abandonedMs
}
