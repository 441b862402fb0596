/** A working directory as a designer has it: three photos, no settings, embedded database, local store. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { openEmbedded } from '../../src/database/embedded.ts'
import { directoryStore } from '../../src/store/directory.ts'
import { rmbg, temporaryFolder } from './cli.ts'
import { copyEmbeddedDatabase } from './embedded-database.ts'
import { picture } from './images.ts'
import { expectInvariants, type JobRow } from './job-rows.ts'

export interface Workspace {
  folder: string
  home: string
  run: (...args: string[]) => ReturnType<typeof rmbg>
  /** Rows of the embedded database, after the invariants held. */
  rows: () => Promise<JobRow[]>
}

/** A working directory with three photos in it, for one test. */
export const freshWorkspace = async (): Promise<Workspace> => workspaceIn(await temporaryFolder())

/** A workspace in a folder that somebody else removes. */
export async function workspaceIn(folder: string): Promise<Workspace> {
  const home = join(folder, '.home')
  await mkdir(join(folder, 'photos/summer'), { recursive: true })
  await copyEmbeddedDatabase(join(home, 'database'))
  await picture(1).jpeg().toFile(join(folder, 'photos/cup.jpg'))
  await picture(2).png().toFile(join(folder, 'photos/cup.png'))
  await picture(3).webp().toFile(join(folder, 'photos/summer/cup.webp'))
  return {
    folder,
    home,
    run: (...args) => rmbg(args, { cwd: folder, env: { RMBG_HOME: home } }),
    rows: async () => {
      const database = await openEmbedded(join(home, 'database'))
      try {
        return await expectInvariants(database.sql, directoryStore(join(home, 'store')))
      } finally {
        await database.close()
      }
    },
  }
}
