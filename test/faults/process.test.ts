/** `rmbg process`, killed at every step of the way of one image. */
import { createHash } from 'node:crypto'
import { readdir, readFile, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type postgres from 'postgres'
import { expect, it } from 'vitest'
import { type ObjectStore, objectKinds } from '../../src/store/contract.ts'
import { jsonLines } from '../support/cli.ts'
import { type ImageKillPoint, imageKillPoints, killPointsIn } from './kill-points.ts'
import {
  acknowledged,
  expectRecoverable,
  expectWhole,
  inBothVariants,
  isIn,
  killedAt,
  picturesIn,
  type Variant,
} from './variants.ts'

/** One image is acknowledged before the next gets there; each has three puts, which pass the places of the store. */
const passage = ({ at }: ImageKillPoint) =>
  at.startsWith('store:') ? 4 : at === 'process:ended' || at === 'process:failed' ? 1 : 2

const tagged = async (sql: postgres.Sql) => {
  const rows = await sql`
    select job_id from image_tags union select job_id from open_jobs where tags <> '{}'`
  return new Set(rows.map(({ job_id }) => job_id))
}

async function kindsOf(store: ObjectStore, jobId: string): Promise<string[]> {
  const kinds: string[] = []
  for (const kind of objectKinds) {
    for await (const { key } of store.list(`${kind}/`)) if (key.includes(jobId)) kinds.push(kind)
  }
  return kinds
}

const filesIn = async (variant: Variant, folder: string) =>
  (await readdir(join(variant.folder, folder)).catch(() => [])).sort()

inBothVariants('rmbg process', (variant, variantName) => {
  it.each(killPointsIn(imageKillPoints, variantName))(
    'killed at $at is completed by running it again',
    async (killPoint) => {
      const photos = await picturesIn(variant(), killPoint.at.replace(':', '-'), 3)
      const isHere = isIn(variant(), photos)
      const isBroken = killPoint.at === 'process:failed'
      if (isBroken)
        await writeFile(join(variant().folder, photos, 'broken.jpg'), 'shopping list\n'.repeat(20))
      const cutouts = `${photos}-cut`
      const command = [
        ...['process', photos, '--output', cutouts, '--tag', 'spring', '--json'],
        ...['--model', 'backdrop', '--concurrency', '1'],
      ]

      const { stdout } = await killedAt(variant(), `${killPoint.at}@${passage(killPoint)}`, command)
      const told = acknowledged(stdout).map(({ jobId }) => jobId)
      const left = await variant().look(async (sql, store) => {
        const rows = (await expectRecoverable(sql, store, isHere)).filter(isHere)
        const inWork = rows.find(({ job_id }) => !told.includes(job_id))
        return {
          rows,
          inWork,
          isTagged: inWork !== undefined && (await tagged(sql)).has(inWork.job_id),
          kinds: inWork ? await kindsOf(store, inWork.job_id) : [],
        }
      })
      const { inWork } = left
      const acknowledgedRows = left.rows.filter(({ job_id }) => told.includes(job_id))
      expect(acknowledgedRows.map(({ status }) => status)).toEqual(told.map(() => 'completed'))
      expect(told).toHaveLength(killPoint.at === 'process:ended' ? 3 : isBroken ? told.length : 1)
      expect(left.rows).toHaveLength(told.length + (killPoint.row === 'none' ? 0 : 1))
      expect(inWork?.status ?? 'none').toBe(killPoint.row)
      expect(left.isTagged, 'whoever is logged has its tags').toBe(inWork !== undefined)
      expect(left.kinds).toEqual(expect.arrayContaining([...killPoint.objects]))
      expect([...killPoint.objects, ...killPoint.perhaps]).toEqual(expect.arrayContaining(left.kinds))
      expect(await filesIn(variant(), cutouts)).toHaveLength(told.length + (killPoint.hasOutput ? 1 : 0))

      const again = await variant().run(command)
      expect(again.status, again.stderr).toBe(isBroken ? 3 : 0)
      const { rows, tags } = await variant().look(async (sql, store) => ({
        rows: (await expectWhole(sql, store, isHere)).filter(isHere),
        tags: await tagged(sql),
      }))
      expect(rows.filter(({ status }) => status === 'completed')).toHaveLength(3)
      expect(rows).toEqual(expect.arrayContaining(acknowledgedRows))
      if (inWork) {
        const attempt = inWork.status === 'completed' ? 1 : 2
        expect(rows.find(({ job_id }) => job_id === inWork.job_id)).toMatchObject({ attempt })
      }
      // What had been completed was not done again.
      const completedBefore = left.rows.filter(({ status }) => status === 'completed').length
      expect(jsonLines(again.stdout).at(-1)).toMatchObject({
        completed: 3 - completedBefore,
        skipped: completedBefore,
      })
      for (const { job_id } of rows) expect(tags.has(job_id)).toBe(true)
      expect(await filesIn(variant(), cutouts)).toEqual(['0.png', '1.png', '2.png'])
      for (const row of rows.filter(({ status }) => status === 'completed')) {
        const file = row.source_path.replace(photos, cutouts).replace('.jpg', '.png')
        const digest = createHash('sha256').update(await readFile(file))
        expect(digest.digest('hex')).toBe(row.processed_sha256)
      }
    },
  )

  it('counts in its statistics what was done, once', async () => {
    const { stdout, status } = await variant().run(['stats', '--json'])
    expect(status).toBe(0)
    const rows = await variant().look(expectWhole)
    const completed = rows.filter((row) => row.status === 'completed').length
    expect(JSON.parse(stdout).total).toMatchObject({ completed, failed: rows.length - completed })
  })

  if (variantName === 'embedded') {
    it('clears what a killed put left beside the store, when that is a day old', async () => {
      const incoming = join(variant().folder, '.home/store/.incoming')
      const files = await readdir(incoming)
      expect(files).not.toHaveLength(0)
      const yesterday = new Date(Date.now() - 25 * 3_600_000)
      for (const file of files) await utimes(join(incoming, file), yesterday, yesterday)
      expect((await variant().run(['process', 'store-staged', '--model', 'backdrop'])).status).toBe(0)
      expect(await readdir(incoming)).toEqual([])
    })
  }
})
