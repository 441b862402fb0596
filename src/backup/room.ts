import { statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { sizeText } from '../bytes.ts'
import { countReferredObjects } from '../database/backups.ts'
import type { Database } from '../database/contract.ts'
import { ownBytes } from '../database/own-bytes.ts'
import { RmbgError } from '../errors.ts'
import { listManifests } from './manifest.ts'
import type { Vault } from './vault.ts'

/** pg_dump -Fc of a log of jobs is a quarter of its tables; what is refused here could not have worked. */
const leastDumpShare = 1 / 8

/**
 * Looks whether a backup has room, before hours are spent on it: in the folder it goes to, and for a drill on the disk of
 * the database. It asks for the least that is needed. A bucket does not say what it has left, nor does a server on
 * another machine.
 *
 * @returns one sentence for what could not be seen
 * @throws RmbgError STORE_FULL or DATABASE_ERROR saying what is needed and what is left; DATABASE_DENIED when a drill may
 *   not create a database
 */
export async function assertRoom(
  { database, vault }: { database: Database; vault: Vault },
  options: { objects: boolean; drill: boolean },
): Promise<string[]> {
  const unseen: string[] = []
  if (options.drill) {
    const { needed, free } = await database.checkScratch()
    if (free === undefined)
      unseen.push(`assuming ${sizeText(needed)} free on the disk of the server, for the drill`)
    else if (free < needed) {
      throw new RmbgError(
        'DATABASE_ERROR',
        `The drill needs ${sizeText(needed)} on the disk of the database, which has ${sizeText(free)} left.`,
        {
          hint: 'Make room there, or leave --drill out and drill elsewhere: rmbg restore into another server.',
        },
      )
    }
  }
  const free = await freeIn(vault)
  if (free === undefined) return unseen
  const needed = await leastBytes(database, vault, options)
  if (free >= needed) return unseen
  throw new RmbgError(
    'STORE_FULL',
    `${vault.location} has ${sizeText(free)} left, and this backup takes at least ${sizeText(needed)}.`,
    { hint: 'Make room there, or name another place with --to. Nothing was written.' },
  )
}

/** Bytes left for a folder, which need not be there yet; undefined for a bucket. */
async function freeIn({ location }: Vault): Promise<number | undefined> {
  if (location.startsWith('s3://')) return undefined
  for (let place = location; ; place = dirname(place)) {
    const disk = await statfs(place).catch(() => undefined)
    if (disk) return disk.bavail * disk.bsize
    if (place === dirname(place)) return undefined
  }
}

/** A dump of what the tables hold now, and the objects that the log has gained since they were last copied. */
async function leastBytes(
  database: Database,
  vault: Vault,
  { objects }: { objects: boolean },
): Promise<number> {
  const dump = (await ownBytes(database.sql)).rows * leastDumpShare
  if (!objects) return dump
  const copied = (await listManifests(vault)).findLast((manifest) => manifest.objects.copied)
  const { bytes } = await countReferredObjects(database.sql)
  return dump + Math.max(0, bytes - (copied?.objects.bytes ?? 0))
}
