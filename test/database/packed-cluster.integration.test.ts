/** The cluster that the build makes for new homes. */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openEmbedded } from '../../src/database/embedded.ts'
import { pgliteVersion } from '../../src/database/embedded-cluster.ts'
import { installationOf } from '../../src/database/installation.ts'
import { shippedMigrations } from '../../src/database/migrate.ts'
import { unpackCluster } from '../../src/database/packed-cluster.ts'
import { root, temporaryFolder } from '../support/cli.ts'

const shipped = await shippedMigrations()
const later = { ...shipped.at(-1)!, name: '9999_later' }

describe('the cluster in the package', () => {
  it('is small', async () => {
    expect((await stat(join(root, 'dist/cluster.br'))).size).toBeLessThan(2_000_000)
  })

  it('fits this program, and one with migrations beyond', async () => {
    expect(await unpackCluster(await temporaryFolder(), pgliteVersion, shipped)).toEqual({ lacks: 0 })
    const behind = await unpackCluster(await temporaryFolder(), pgliteVersion, [...shipped, later])
    expect(behind).toEqual({ lacks: 1 })
  })

  it.each([
    ['an edited migration', pgliteVersion, shipped.with(3, { ...shipped[3]!, sha256: 'edited' })],
    ['fewer migrations', pgliteVersion, shipped.slice(0, -1)],
    ['another PGlite', '0.0.1', shipped],
  ])('does not fit a program with %s, which makes its own', async (_title, pglite, migrations) => {
    const folder = await temporaryFolder()
    expect(await unpackCluster(folder, pglite, migrations)).toBeUndefined()
    expect(await readdir(folder)).toEqual([])
  })

  it('holds the schema, and of rows only which migrations made it', async () => {
    const { sql, close } = await openEmbedded(join(await temporaryFolder(), 'database'))
    expect(await sql`select name, sha256 from schema_migrations order by name`).toEqual(
      shipped.map(({ name, sha256 }) => ({ name, sha256 })),
    )
    const tables =
      await sql`select relname as name from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace`
    const filled: string[] = []
    for (const { name } of tables) {
      if ((await sql`select 1 from ${sql(name)} limit 1`).length > 0) filled.push(name)
    }
    expect(filled.sort()).toEqual(['schema_migrations', 'usage_state'])
    await close()
  })

  it('gives each home an installation of its own', async () => {
    const ids = new Set<string>()
    for (let home = 0; home < 2; home++) {
      const database = await openEmbedded(join(await temporaryFolder(), 'database'))
      const { id, copiedFrom } = await installationOf(database)
      expect(copiedFrom).toBeNull()
      ids.add(id)
      await database.close()
    }
    expect(ids.size).toBe(2)
  })
})
