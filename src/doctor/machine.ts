/** What the program runs on: itself and its libraries, memory, the disk. */
import { constants } from 'node:fs'
import { access, readFile, statfs } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { totalmem } from 'node:os'
import { dirname, join } from 'node:path'
import { sizeText } from '../bytes.ts'
import { type Finding, ok } from './finding.ts'

const require = createRequire(import.meta.url)

/** Those whose releases decide what works. */
const libraries = ['onnxruntime-node', 'sharp', '@electric-sql/pglite']

/** @returns what runs, with the releases of the libraries that matter */
export async function examineProgram(): Promise<Finding> {
  const { version, engines } = await readPackage(new URL('../../package.json', import.meta.url))
  const versions = await Promise.all(libraries.map(async (name) => `${name} ${await versionOf(name)}`))
  const { node } = process.versions
  const least = /\d+\.\d+/.exec(engines?.node ?? '')?.[0] ?? ''
  const summary = `rmbg-batch ${version} on Node ${node}, ${process.platform} ${process.arch}; ${versions.join(', ')}.`
  if (!isOlder(node, least)) return ok('program', summary)
  return { name: 'program', level: 'crit', summary, remedy: `Node ${least} or newer is needed.` }
}

function isOlder(version: string, least: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [leastMajor = 0, leastMinor = 0] = least.split('.').map(Number)
  return major < leastMajor || (major === leastMajor && minor < leastMinor)
}

type Package = { name?: string; version?: string; engines?: { node?: string } }

const readPackage = async (file: string | URL): Promise<Package> => JSON.parse(await readFile(file, 'utf8'))

/** Packages need not let others see their package.json, so it is looked for above what they let see. */
async function versionOf(name: string): Promise<string> {
  for (let folder = dirname(require.resolve(name)); folder !== dirname(folder); folder = dirname(folder)) {
    const found = await readPackage(join(folder, 'package.json')).catch((): Package => ({}))
    if (found.name === name) return found.version ?? 'unknown'
  }
  return 'unknown'
}

/** Less is filled by a few runs. */
const littleDisk = 2e9
const noDisk = 1e8

/**
 * @param home RMBG_HOME, which need not exist yet
 */
export async function examineDisk(home: string): Promise<Finding> {
  const name = 'disk'
  const place = await existing(home)
  const isWritable = await access(place, constants.W_OK).then(
    () => true,
    () => false,
  )
  if (!isWritable) {
    const remedy = 'Make it writable, or set RMBG_HOME to a folder that is.'
    return { name, level: 'crit', summary: `${place} may not be written to.`, remedy }
  }
  const { bavail, bsize } = await statfs(place)
  const free = bavail * bsize
  const summary = `${sizeText(free)} free for ${home}.`
  if (free >= littleDisk) return ok(name, summary)
  const remedy = 'Make room there, or set RMBG_HOME to a folder on another disk.'
  return { name, level: free < noDisk ? 'crit' : 'warn', summary, remedy }
}

/** The folder, or the nearest one above it that is there. */
async function existing(folder: string): Promise<string> {
  const isThere = await access(folder).then(
    () => true,
    () => false,
  )
  return isThere || folder === dirname(folder) ? folder : existing(dirname(folder))
}

/** What decoding, compositing and encoding one usual photograph takes besides the model. */
const imageBytes = 2 ** 28

export interface MemoryUse {
  /** Bytes that were free before the model was loaded. */
  availableBefore: number
  /** Bytes that the process had then. */
  usedBefore: number
}

export const memoryNow = (): MemoryUse => ({
  availableBefore: process.availableMemory(),
  usedBefore: process.memoryUsage.rss(),
})

/** Compares what the model took at its most with what was free. Call it when the model has run. */
export function examineMemory({ availableBefore, usedBefore }: MemoryUse, maxMemory: number): Finding {
  const name = 'memory'
  // In kilobytes; of the whole process.
  const peak = process.resourceUsage().maxRSS * 1024
  const needed = Math.max(peak - usedBefore, 0) + imageBytes
  const summary = `${sizeText(availableBefore)} of ${sizeText(totalmem())} available; the model and one image take about ${sizeText(needed)}, images in work may take ${sizeText(maxMemory)}.`
  if (needed <= availableBefore) return ok(name, summary)
  const remedy = 'End other programs, or use a smaller model: rmbg model list'
  return { name, level: 'warn', summary, remedy }
}
