/** Writes docs/speed.md and its plots from the results: `npm run bench:page`, and `npm run bench` at its end. */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readResults } from '../speed/results.ts'
import { pageOf } from './page.ts'

const docs = fileURLToPath(new URL('../../../docs/', import.meta.url))

/** A plot whose part was never measured goes. */
export async function writePage(): Promise<void> {
  const files = pageOf(await readResults())
  await mkdir(join(docs, 'plots'), { recursive: true })
  for (const path of await writtenPlots()) if (!(path in files)) await rm(join(docs, path))
  for (const [path, text] of Object.entries(files)) await writeFile(join(docs, path), text)
}

const writtenPlots = async (): Promise<string[]> =>
  (await readdir(join(docs, 'plots')).catch(() => [])).map((name) => `plots/${name}`).sort()

/** The page as it is there, by paths below docs/. */
export async function readPage(): Promise<Record<string, string>> {
  const paths = ['speed.md', ...(await writtenPlots())]
  return Object.fromEntries(
    await Promise.all(paths.map(async (path) => [path, await readFile(join(docs, path), 'utf8')])),
  )
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await writePage()
