/** Writes what is made of the program itself and shipped with it: `npm run manifest`. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { eventSchema } from './event-schema.ts'
import { manPage } from './man-page.ts'

const root = new URL('../../', import.meta.url)
const read = (path: string) => readFile(new URL(path, root), 'utf8')

/** Files of the package by their paths in it. */
export async function generated(): Promise<Record<string, string>> {
  const { version, description } = JSON.parse(await read('package.json'))
  const { commands } = JSON.parse(await read('oclif.manifest.json'))
  const exitStatuses = [...(await read('docs/ci.md')).matchAll(/^\| (\d+) \| (.*) \|$/gm)].map(
    ([, status = '', meaning = '']) => ({ status, meaning: meaning.replaceAll('`', '') }),
  )
  return {
    'docs/rmbg.1': manPage({ version, description, commands, exitStatuses }),
    'docs/events.schema.json': `${JSON.stringify(eventSchema(), undefined, 2)}\n`,
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [path, text] of Object.entries(await generated())) {
    const file = new URL(path, root)
    await mkdir(new URL('.', file), { recursive: true })
    await writeFile(file, text)
  }
}
