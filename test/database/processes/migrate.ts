/** Applies the migrations of one folder to the embedded database in another. */
import { pathToFileURL } from 'node:url'
import { openEmbedded } from '../../../src/database/embedded.ts'
import { applyMigrations, migrationsIn } from '../../../src/database/migrate.ts'

const [, , folder, migrations] = process.argv
const database = await openEmbedded(folder!, { migrate: false })
console.log('open')
await applyMigrations(database, {
  shipped: await migrationsIn(pathToFileURL(`${migrations}/`)),
  onApplied: (name) => console.log(name),
})
