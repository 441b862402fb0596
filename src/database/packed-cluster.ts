/** The empty, migrated cluster that the package brings: making one takes seconds, unpacking one does not. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import { promisify } from 'node:util'
import { brotliCompress, brotliDecompress, constants } from 'node:zlib'
import { type Migration, shippedMigrations } from './migrate.ts'

/** Where the build puts it, as seen from this file in src/ and in dist/. Before the first build there is none. */
const packedCluster = new URL('../../dist/cluster.br', import.meta.url)

/** The first line of the file, as JSON, once it is decompressed. The content of the files follows in one piece. */
interface Contents {
  /** The release that wrote it. */
  pglite: string
  migrations: Pick<Migration, 'name' | 'sha256'>[]
  /** Relative, with `/`; a folder before what is in it. */
  folders: string[]
  files: { path: string; bytes: number }[]
}

/**
 * Unpacks the cluster that the package brings.
 *
 * @param folder empty, for the cluster's files
 * @param pglite the release that will open it
 * @param shipped the migrations of this program; tests bring their own
 * @returns undefined, and nothing is unpacked, when the package has none that fits this PGlite and these migrations; one
 *   that `lacks` some of the latest migrations fits
 */
export async function unpackCluster(
  folder: string,
  pglite: string,
  shipped?: readonly Migration[],
): Promise<{ lacks: number } | undefined> {
  const packed = await readFile(packedCluster).catch(() => undefined)
  if (packed === undefined) return undefined
  const unpacked = await promisify(brotliDecompress)(packed)
  const headEnd = unpacked.indexOf('\n')
  const contents = JSON.parse(unpacked.toString('utf8', 0, headEnd)) as Contents
  const known = shipped ?? (await shippedMigrations())
  const isKnown = ({ name, sha256 }: Contents['migrations'][number], index: number) =>
    known[index]?.name === name && known[index].sha256 === sha256
  if (contents.pglite !== pglite || !contents.migrations.every(isKnown)) return undefined
  // 500 small files: one by one through the thread pool they take twice the time.
  for (const path of contents.folders) mkdirSync(join(folder, path), { mode: 0o700 })
  let at = headEnd + 1
  for (const { path, bytes } of contents.files) {
    writeFileSync(join(folder, path), unpacked.subarray(at, at + bytes), { mode: 0o600 })
    at += bytes
  }
  return { lacks: known.length - contents.migrations.length }
}

/**
 * Packs a cluster for the package.
 *
 * @param folder with the files of a cluster that has all migrations and was closed
 */
export async function packCluster(folder: string, pglite: string): Promise<void> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const paths = (isWanted: (entry: (typeof entries)[number]) => boolean) =>
    entries
      .filter(isWanted)
      .map(({ parentPath, name }) => relative(folder, join(parentPath, name)).replaceAll(sep, '/'))
      .sort()
  const files = await Promise.all(
    paths((entry) => entry.isFile()).map(async (path) => ({
      path,
      content: await readFile(join(folder, path)),
    })),
  )
  const contents: Contents = {
    pglite,
    migrations: (await shippedMigrations()).map(({ name, sha256 }) => ({ name, sha256 })),
    folders: paths((entry) => entry.isDirectory()),
    files: files.map(({ path, content }) => ({ path, bytes: content.length })),
  }
  const whole = Buffer.concat([
    Buffer.from(`${JSON.stringify(contents)}\n`),
    ...files.map(({ content }) => content),
  ])
  const packed = await promisify(brotliCompress)(whole, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: 9, // the best takes a minute and saves a tenth
      [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
      [constants.BROTLI_PARAM_SIZE_HINT]: whole.length,
    },
  })
  await mkdir(new URL('.', packedCluster), { recursive: true })
  await writeFile(packedCluster, packed)
}
