import { cp } from 'node:fs/promises'
import { inject } from 'vitest'
import { refuseInUnitTests } from './projects.ts'

/** Puts a migrated embedded database into a folder: a copy of the one that global-setup.ts made. */
export async function copyEmbeddedDatabase(folder: string): Promise<void> {
  refuseInUnitTests('a database')
  await cp(inject('embeddedDatabase'), folder, { recursive: true })
}
