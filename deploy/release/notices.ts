/** The licenses of packages that are copied into the program: they ask to be passed on with each copy. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

interface Manifest {
  name: string
  version: string
  license?: string
}

/**
 * @param modules paths of all modules in the program; those below a `node_modules` are of packages
 * @returns a text that names each package once, with its license in full
 * @throws Error when a package has neither a license file nor says its license
 */
export async function noticesOf(modules: readonly string[]): Promise<string> {
  const folders = new Set(modules.flatMap((path) => folderOf(path) ?? []))
  const notices = await Promise.all([...folders].map(noticeOf))
  const sorted = [...new Set(notices)].sort()
  return [
    'This program contains code of the packages below, each under its own license.',
    ...sorted.map((notice) => `${'-'.repeat(80)}\n${notice}`),
    '',
  ].join('\n\n')
}

/** The package that a module is of: the folder behind the last `node_modules` in its path. */
const folderOf = (path: string): string | undefined =>
  /^.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+/.exec(path)?.[0]

async function noticeOf(folder: string): Promise<string> {
  const manifest: Manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'))
  const { name, version, license } = manifest
  const files = (await readdir(folder)).filter((file) => /^(licen[sc]e|copying|notice)/i.test(file)).sort()
  const texts = await Promise.all(files.map((file) => readFile(join(folder, file), 'utf8')))
  if (texts.length === 0 && license === undefined) throw new Error(`${name} does not say its license.`)
  return [`${name} ${version} (${license ?? 'see below'})`, ...texts.map((text) => text.trim())].join('\n\n')
}
