import { cp } from 'node:fs/promises'
import { inject } from 'vitest'
import { refuseInUnitTests } from './projects.ts'

/** Puts a migrated embedded database into a folder: a copy of the one that global-setup.ts made. */
export async function copyEmbeddedDatabase(folder: string): Promise<void> {
  refuseInUnitTests('a database')
  await cp(inject('embeddedDatabase'), folder, { recursive: true })
}

/** Copies the folder of a database as a process left it. A killed one leaves its socket, which cannot be copied. */
export const copyLeftDatabase = (from: string, to: string): Promise<void> =>
  cp(from, to, { recursive: true, filter: (path) => !path.endsWith('.sock') })
