/** Where benches keep what they make: models and pictures for the next time, homes only while they are used. */
import { cp, mkdir, mkdtemp, rename, rm, statfs, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

export const benchFolder = process.env.RMBG_BENCH_FOLDER ?? join(tmpdir(), 'rmbg-bench')

/** By the magic numbers of statfs(2). */
const fileSystems: Record<number, string> = {
  61267: 'ext4',
  1481003842: 'xfs',
  16914836: 'tmpfs',
  2435016766: 'btrfs',
  2035054128: 'overlay',
}

/** The bench folder and the file system it lies on. */
export async function placeOf(folder = benchFolder): Promise<string> {
  await mkdir(folder, { recursive: true })
  const { type } = await statfs(folder)
  return `${folder} (${fileSystems[type] ?? `file system 0x${type.toString(16)}`})`
}

/** A file that is there whole or not at all. */
export async function save(file: string, bytes: Uint8Array | string): Promise<void> {
  await mkdir(dirname(file), { recursive: true })
  const partial = `${file}.${process.pid}.part`
  await writeFile(partial, bytes)
  await rename(partial, file)
}

/** A folder that is removed after its use. */
export async function withFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  await mkdir(benchFolder, { recursive: true })
  const folder = await mkdtemp(join(benchFolder, 'run-'))
  try {
    return await use(folder)
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

/** A copy of a prepared RMBG_HOME, so that every run finds the same database. */
export function withHome<T>(template: string, use: (home: string) => Promise<T>): Promise<T> {
  return withFolder(async (folder) => {
    const home = join(folder, 'home')
    await cp(template, home, { recursive: true })
    return use(home)
  })
}
