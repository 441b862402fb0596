/**
 * Bundles src/ into dist/, in the build. A short run would otherwise spend a tenth of its CPU time on opening 700 modules
 * of our own and of packages. docs/performance.md has the figures.
 *
 * Each command, thread and public module is an entry with its own name; what they share is in dist/chunks/, and what is
 * imported when it is needed stays so. Packages that a run for one picture loads are taken in. All others are imported from
 * where they are installed: those with binaries or files of their own, and those that few runs need.
 */
import { readdir, rm, writeFile } from 'node:fs/promises'
import { isBuiltin } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Plugin, rolldown } from 'rolldown'
import { noticesOf } from './notices.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const src = join(root, 'src')

/** With what they depend on. */
const takenIn = new Set([
  '@oclif/core',
  'async-mutex',
  'color',
  'detect-libc',
  'env-paths',
  'exif-reader',
  'fastest-levenshtein',
  'minimatch',
  'p-limit',
  'p-retry',
  'picocolors',
  'piscina',
  'postgres',
  'sharp',
  'string-width',
  'uuid',
  'zod',
])

/** What packages that are taken in load from where they are installed, or try to: nobody has TypeScript beside them. */
const leftOut = /^@img\/sharp-|^@napi-rs\/|^typescript$/

const packageOf = (specifier: string): string => /^(@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? specifier

function isExternal(specifier: string, importer: string | undefined): boolean {
  if (isBuiltin(specifier) || leftOut.test(specifier)) return true
  if (/^[./]|^[a-z]:|^\0/i.test(specifier) || importer === undefined) return false
  return !importer.includes('node_modules') && !takenIn.has(packageOf(specifier))
}

/** What other files start, or import by name. */
const entries = async (): Promise<Record<string, string>> => {
  const commands = (await readdir(join(src, 'commands'), { recursive: true }))
    .filter((path) => path.endsWith('.ts'))
    .map((path) => join('commands', path))
  const others = [
    'cutout/codec/jxl-worker.ts',
    'cutout/worker.ts',
    'library/index.ts',
    'model/shelf/known.ts', // deploy/action
    'model/worker.ts',
    'system/engine.ts',
    'system/home.ts',
    'terminal/start.ts',
    'terminal/unknown-command.ts',
  ]
  const own = [...commands, ...others].map((path) => [compiled(path), join(src, path)])
  return {
    ...Object.fromEntries(own.map(([name = '', path]) => [name.replace(/\.js$/, ''), path])),
    'piscina/worker': join(root, 'node_modules/piscina/dist/worker.js'), // what its threads start
  }
}

const compiled = (path: string): string => path.replaceAll('\\', '/').replace(/\.ts$/, '.js')

/** Stands for the address of a file of dist/, which depends on the chunk that asks for it. */
const addressOf = (file: string): string => `__inDist__(${JSON.stringify(file)})`

/** Lets each module find files from where it stood, and not from the chunk that it is in. */
const ownAddresses: Plugin = {
  name: 'own-addresses',
  transform: {
    filter: { id: /\/src\/.*\.ts$|\/sharp\/dist\/.*\.mjs$|\/piscina\/dist\/index\.js$/ },
    handler(code, id) {
      if (id.startsWith(src)) {
        return code.replaceAll('import.meta.url', addressOf(compiled(relative(src, id))))
      }
      // Its binaries are beside the package, wherever that is.
      if (id.includes('/sharp/dist/')) {
        return code.replaceAll('import.meta.url', "createRequire(import.meta.url).resolve('sharp')")
      }
      const folder = `require('node:path').dirname(require('node:url').fileURLToPath(${addressOf('piscina/index.js')}))`
      return code.replaceAll('__dirname', folder)
    },
  },
  renderChunk(code, { fileName }) {
    if (!code.includes('__inDist__')) return null
    return code.replaceAll(/__inDist__\("([^"]+)"\)/g, (_, file: string) => {
      const path = relative(dirname(fileName), file).replaceAll('\\', '/')
      return `new URL(${JSON.stringify(path)}, import.meta.url).href`
    })
  },
}

await rm(join(root, 'dist/chunks'), { recursive: true, force: true }) // their names change with what is in them
const bundle = await rolldown({
  input: await entries(),
  cwd: root,
  platform: 'node',
  external: isExternal,
  plugins: [ownAddresses],
  transform: { target: 'node20.19' },
})
const { output } = await bundle.write({
  dir: join(root, 'dist'),
  format: 'esm',
  entryFileNames: '[name].js',
  chunkFileNames: 'chunks/[name]-[hash].js',
})
const modules = output.flatMap((file) => (file.type === 'chunk' ? Object.keys(file.modules) : []))
await writeFile(join(root, 'dist/THIRD-PARTY-LICENSES.txt'), await noticesOf(modules))
