import { randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { RmbgError } from '../errors.ts'
import { ownerIsDead, ownerIsOfEarlierBoot, processOwner } from './owner.ts'

interface Holder {
  owner: string
  pid: number
  since: string
  command: string
}

/** Longer than two contenders can keep backing off from one another. */
const attempts = 100
/** Creating an announcement and filling it never takes this long: an empty one of this age was abandoned. */
const abandonedMs = 10_000

/**
 * Takes a folder for this process alone: PGlite itself takes no lock, and two processes on one folder silently lose
 * rows. Each contender announces itself by a file of its own beside the folder and then looks at the others': of
 * two at the same moment at least one sees the other and steps back. A file is removed by others only when
 * its process is dead; as no two processes ever share a name, a live one's cannot be removed by mistake.
 *
 * @returns releases the lock
 * @throws RmbgError DATABASE_LOCKED naming the process that has it and since when
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const locks = `${folder}.lock`
  await mkdir(locks, { recursive: true, mode: 0o700 })
  const name = `${process.pid}-${randomBytes(6).toString('hex')}`
  const announced = join(locks, name)
  const held = join(locks, `${name}.held`)
  const holder: Holder = {
    owner: processOwner(),
    pid: process.pid,
    since: new Date().toISOString(),
    command: ['rmbg', process.argv[2]].filter(Boolean).join(' '),
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
      others = await liveOthers(locks, name)
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
    if (other) throw locked(folder, locks, other.holder)
    await sleep(10 + Math.random() * 40)
  }
  throw locked(folder, locks, undefined)
}

/** Contenders and holders that may be alive; what dead ones left behind is removed. */
async function liveOthers(
  locks: string,
  name: string,
): Promise<{ holder: Holder | undefined; isHeld: boolean }[]> {
  const others = []
  for (const file of await readdir(locks)) {
    if (file === name || file === `${name}.held`) continue
    const path = join(locks, file)
    const content = await readFile(path, 'utf8').catch(() => undefined)
    if (content === undefined) continue // withdrawn this moment
    const holder = parse(content)
    const dead = holder
      ? ownerIsDead(holder.owner) || ownerIsOfEarlierBoot(holder.owner)
      : await isAbandoned(path)
    if (dead) await rm(path, { force: true })
    else others.push({ holder, isHeld: file.endsWith('.held') })
  }
  return others
}

function parse(content: string): Holder | undefined {
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

function locked(folder: string, locks: string, holder: Holder | undefined): RmbgError {
  const who = holder
    ? ` by "${holder.command}", process ${holder.pid}, since ${holder.since}`
    : ' by another process'
  return new RmbgError('DATABASE_LOCKED', `The embedded database in ${folder} is in use${who}.`, {
    hint: `It serves one process at a time: wait for that one, or set DATABASE_URL to a PostgreSQL server. Only if that process is certainly gone (another machine or container): delete ${locks}.`,
  })
}
