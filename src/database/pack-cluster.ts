/** A step of the build: makes the cluster that the package brings. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openEmbedded } from './embedded.ts'
import { clusterIn, pgliteVersion } from './embedded-cluster.ts'
import { packCluster } from './packed-cluster.ts'

const folder = await mkdtemp(join(tmpdir(), 'rmbg-cluster-'))
try {
  const making = await openEmbedded(folder)
  // Nobody makes databases in there, and these two are 600 of its 1,000 files.
  await making.sql`update pg_database set datistemplate = false`
  for (const name of ['template0', 'template1']) await making.sql`drop database ${making.sql(name)}`
  await making.sql`vacuum (freeze, analyze)`
  await making.close()
  // Opened once more: the catalog's caches are written by the first session after a change of the schema.
  await (await openEmbedded(folder)).close()
  await packCluster(clusterIn(folder), pgliteVersion)
} finally {
  await rm(folder, { recursive: true })
  await rm(`${folder}.lock`, { recursive: true, force: true })
}
