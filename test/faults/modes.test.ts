/** What the program keeps for itself is its user's alone; what a user asked for is made as the user's other files are. */
import { execFile } from 'node:child_process'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { cleanEnvironment, program, rmbg, temporaryFolder } from '../support/cli.ts'
import { workspaceIn } from '../support/fixture-workspace.ts'

/** Paths below a folder, itself included, with their permissions. */
async function modes(folder: string): Promise<[path: string, mode: number][]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const paths = [folder, ...entries.map((entry) => join(entry.parentPath, entry.name))]
  return Promise.all(paths.map(async (path) => [path, (await stat(path)).mode & 0o777] as [string, number]))
}

/** Runs the program with another umask than this process has. */
const withUmask = (umask: string, cwd: string, args: string[]) =>
  promisify(execFile)('sh', ['-c', `umask ${umask}; exec "$@"`, 'sh', process.execPath, program, ...args], {
    cwd,
    env: { ...cleanEnvironment(), RMBG_HOME: join(cwd, 'home'), NO_COLOR: '1' },
  })

it('embedded database, store and backups are private whatever the umask', async () => {
  const folder = await temporaryFolder()
  await workspaceIn(folder)
  await withUmask('000', folder, ['process', 'photos', '--model', 'backdrop'])
  await withUmask('000', folder, ['backup', '--to', 'backups', '--objects'])
  const all = [...(await modes(join(folder, 'home'))), ...(await modes(join(folder, 'backups')))]
  const cluster = join(folder, 'home/database/cluster')
  expect(all.find(([path]) => path === cluster)).toEqual([cluster, 0o700])
  // PostgreSQL's own files are behind that folder.
  const exposed = all.filter(([path, mode]) => !path.startsWith(`${cluster}/`) && (mode & 0o077) !== 0)
  expect(exposed.map(([path, mode]) => `${path.slice(folder.length)} ${mode.toString(8)}`)).toEqual([])
})

it('cut-outs and fetched objects are as the umask says', async () => {
  const folder = await temporaryFolder()
  await workspaceIn(folder)
  await withUmask('027', folder, ['process', 'photos', '--output', 'cutouts', '--model', 'backdrop'])
  await withUmask('027', folder, ['query', '--download', 'fetched'])
  for (const below of ['cutouts', 'fetched']) {
    for (const [path, mode] of await modes(join(folder, below))) {
      expect(mode, path).toBe(/\.\w+$/.test(path) ? 0o640 : 0o750)
    }
  }
})

it('a home that is there already stays as its owner made it', async () => {
  const folder = await temporaryFolder()
  const before = (await stat(folder)).mode
  await rmbg(['query'], { cwd: folder, env: { RMBG_HOME: folder } })
  expect((await stat(folder)).mode).toBe(before)
})
