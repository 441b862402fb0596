import { statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { sizeText } from '../../bytes.ts'
import { one } from '../rows.ts'
import { type HealthCheck, type HealthContext, type Look, type Metric, worst } from './contract.ts'

interface Disk {
  folder: string
  free: number
  size: number
}

/** One line for each file system; folders that this user may not look into are left out. */
async function disksOf(folders: readonly string[]): Promise<Disk[]> {
  const disks = new Map<string, Disk>()
  for (const folder of folders) {
    const found = await statfs(folder).catch(() => undefined)
    if (!found || found.blocks === 0) continue
    const disk = { folder, free: found.bavail * found.bsize, size: found.blocks * found.bsize }
    // Node tells no id of a file system: two with the same figures are the same.
    const key = `${found.type} ${disk.size} ${disk.free}`
    if (!disks.has(key)) disks.set(key, disk)
  }
  return [...disks.values()]
}

function diskCheck({ judge }: HealthContext, disks: readonly Disk[], metrics: Metric[]) {
  const shareOf = ({ free, size }: Disk) => (100 * free) / size
  const fullest = disks.reduce((worse, disk) => (shareOf(disk) < shareOf(worse) ? disk : worse))
  return {
    level: worst(disks.map((disk) => judge('disk-free', shareOf(disk)))),
    summary: `${sizeText(fullest.free)} of ${sizeText(fullest.size)} are free (${shareOf(fullest).toFixed(0)}%) on the disk of ${fullest.folder}.`,
    details: disks
      .filter((disk) => disk !== fullest)
      .map((disk) => `${disk.folder}: ${sizeText(disk.free)} of ${sizeText(disk.size)} free`),
    metrics: [
      ...disks.flatMap(({ folder, free, size }) => [
        {
          ...{ name: 'rmbg_disk_free_bytes', value: free, labels: { folder } },
          help: 'Free disk under a folder of the database.',
        },
        {
          ...{ name: 'rmbg_disk_size_bytes', value: size, labels: { folder } },
          help: 'Size of the disk under a folder of the database.',
        },
      ]),
      ...metrics,
    ],
  } satisfies Omit<HealthCheck, 'name'>
}

interface Sizes {
  database: number
  wal: number | null
  folder: string | null
}

const sizesOf = async ({ sql, seesAll }: HealthContext): Promise<Sizes> =>
  one(
    await sql<Sizes[]>`
      select pg_database_size(current_database())::float8 as database,
        ${seesAll ? sql`(select sum(size) from pg_ls_waldir())` : sql`null`}::float8 as wal,
        (select setting from pg_settings where name = 'data_directory') as folder`,
  )

export const diskLook: Look = {
  name: 'disk',
  look: async (context) => {
    const { sql, kind, isHere, seesAll, grantMonitor, folder } = context
    if (kind === 'embedded') {
      const disks = await disksOf([folder])
      if (disks.length > 0) return diskCheck(context, disks, [])
      const summary = 'The system does not tell how much disk is free.'
      return { level: 'unknown', unseen: true, summary, details: [], metrics: [] }
    }
    const sizes = await sizesOf(context)
    const metrics = [
      { name: 'rmbg_database_bytes', value: sizes.database, help: 'Size of the database on disk.' },
      ...(sizes.wal === null
        ? []
        : [{ name: 'rmbg_wal_bytes', value: sizes.wal, help: 'Size of the folder of WAL on disk.' }]),
    ]
    const held = `The database takes up ${sizeText(sizes.database)}${sizes.wal === null ? '' : `, WAL ${sizeText(sizes.wal)}`}.`
    if (isHere && sizes.folder !== null) {
      const spaces = await sql<{ location: string }[]>`
        select pg_tablespace_location(oid) as location from pg_tablespace`
      const folders = [sizes.folder, join(sizes.folder, 'pg_wal'), ...spaces.map(({ location }) => location)]
      const disks = await disksOf(folders.filter((path) => path !== ''))
      if (disks.length > 0) return diskCheck(context, disks, metrics)
    }
    const mayBeGranted = isHere && !seesAll
    return {
      level: 'unknown',
      summary: mayBeGranted
        ? `This role may not see where the data is. ${held}`
        : `PostgreSQL does not tell how much disk is free, and the server's cannot be seen from here. ${held}`,
      details: [],
      metrics,
      ...(mayBeGranted ? { grant: grantMonitor } : { unseen: true as const }),
    }
  },
}
