/** `npm run bench`, or only some of it: `-- limit peer jobs startup first memory png`. See test/bench/README.md. */
import { readFile } from 'node:fs/promises'
import { availableParallelism, cpus, loadavg } from 'node:os'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { table } from '../../../src/terminal/table.ts'
import { writePage } from '../page/write.ts'
import { type Must, mustsOf } from './musts.ts'
import { type BenchOptions, parts } from './parts.ts'
import { peerModels } from './peer-imgly/install.ts'
import { counters } from './perf.ts'
import { placeOf } from './place.ts'
import { type Circumstances, keepResult, type PartName, partNames, type Results } from './results.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string' },
    models: { type: 'string', default: 'light,heavy' },
    megapixels: { type: 'string' },
    flags: { type: 'string', default: '' },
    photos: { type: 'string' },
    against: { type: 'string', default: 'transformers,imgly' },
    'peer-model': { type: 'string', default: 'medium' },
    quick: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
    'no-keep': { type: 'boolean', default: false },
  },
})
const peerModel = peerModels.find((name) => name === values['peer-model'])
if (!peerModel) throw new Error(`--peer-model expects ${peerModels.join(' or ')}.`)
const chosen = chosenParts()
const allMegapixels = values.quick ? '1,12' : '1,12,24'
const options: BenchOptions = {
  rounds: (usual) => Number(values.rounds ?? (values.quick ? 1 : usual)),
  quick: values.quick,
  models: values.models.split(','),
  megapixels: (values.megapixels ?? allMegapixels).split(',').map(Number),
  flags: values.flags.split(' ').filter((flag) => flag !== ''),
  photos: values.photos === undefined ? undefined : resolve(values.photos),
  peerModel,
  // It asks the model three times more for each photograph, which only who compares with this peer wants to wait for.
  steps: chosen.length === 1 && chosen[0] === 'imgly',
  tell: (line) => console.error(line),
}
const circumstances = await circumstancesNow()

const results: Partial<Results> = {}
const failed: string[] = []
let isKept = false
for (const name of chosen) {
  const startedAt = performance.now()
  try {
    await show(name)
  } catch (error) {
    // What was found before, in most of an hour, is not lost for that.
    console.error(`${name} failed: ${error instanceof Error ? error.message : error}`)
    failed.push(name)
  }
  console.error(`${name} took ${((performance.now() - startedAt) / 60_000).toFixed(1)} minutes`)
}

const musts = mustsOf(results).filter(({ part }) => chosen.includes(part))
if (musts.length > 0) console.log(`\n${mustsTable(musts)}`)
const { leftOut } = await counters()
if (leftOut !== undefined) console.log(`\n${leftOut}`)
console.log(
  `\n${Object.entries(circumstances)
    .map(([key, value]) => `${key} ${value}`)
    .join(', ')}`,
)
if (isKept) {
  await writePage()
  console.error('Written: docs/speed.md with its plots, of test/bench/results/speed-*.json')
}
if (failed.length > 0) {
  console.error(`Not measured, since it failed: ${failed.join(', ')}`)
  process.exitCode = 1
}

/** `peer` stands for the peers that `--against` names. */
function chosenParts(): PartName[] {
  const against = values.against.split(',')
  const unknownPeer = against.find((name) => name !== 'transformers' && name !== 'imgly')
  if (unknownPeer !== undefined)
    throw new Error(`--against expects transformers or imgly, not "${unknownPeer}".`)
  const named = positionals.flatMap((name) => (name === 'peer' ? against : name))
  const unknown = named.find((name) => !partNames.some((part) => part === name))
  if (unknown !== undefined) {
    throw new Error(`"${unknown}" is not limit, peer, jobs, startup, first, memory or png.`)
  }
  return partNames.filter((name) => named.length === 0 || named.includes(name))
}

async function show<Name extends PartName>(name: Name): Promise<void> {
  const part = parts[name]
  const result = await part.run(options)
  results[name] = result
  console.log(`\n${part.tables(result).join('\n\n')}`)
  if (values['no-keep'] || (isPartial(name) && !values.keep)) return
  await keepResult(name, { ...circumstances, result })
  isKept = true
}

/** A part of a table is not kept, nor what stands for something else. */
function isPartial(name: PartName): boolean {
  const { quick, flags, models } = values
  const isOfSome = models !== 'light,heavy' || values.megapixels !== undefined || flags !== ''
  // Photographs are what this peer is always compared on.
  return quick || isOfSome || (name === 'imgly' ? peerModel !== 'medium' : options.photos !== undefined)
}

/** What was measured, with where and on what, for whoever wants to compare. */
async function circumstancesNow(): Promise<Circumstances> {
  const ort = new URL('../../../node_modules/onnxruntime-node/package.json', import.meta.url)
  return {
    date: new Date().toISOString().slice(0, 10),
    node: process.version,
    onnxruntime: JSON.parse(await readFile(ort, 'utf8')).version,
    cores: availableParallelism(),
    cpu: cpus()[0]?.model,
    folder: await placeOf(),
    loadBefore: loadavg()[0]!,
    ...(values.quick && { quick: true }),
  }
}

function mustsTable(rows: readonly Must[]): string {
  return table(
    ['WHAT', 'MUST', 'MEASURED', 'REACHED'],
    rows.map(({ what, must, measured, isReached }) => [
      ...[what, must, measured ?? 'not measured'],
      isReached === undefined ? '' : isReached ? 'yes' : 'no',
    ]),
  )
}
