/** docs/speed.md and its plots, made of test/bench/results/speed-*.json alone: the same results give the same page. */
import { mustsOf } from '../speed/musts.ts'
import type { PeerFigures } from '../speed/peer-figures.ts'
import { type KeptResults, type PartName, partNames, type Results } from '../speed/results.ts'
import { figure } from '../speed/spread.ts'
import { plotsOf } from './plots.ts'

/** @returns files by their paths below docs/: `speed.md` and `plots/*.svg` */
export function pageOf(kept: KeptResults): Record<string, string> {
  const results: Partial<Results> = Object.fromEntries(
    partNames.flatMap((name) => (kept[name] ? [[name, kept[name].result]] : [])),
  )
  const plots = plotsOf(results)
  const plot = (name: string, alternative: string, command: string) =>
    plots[name] ? `![${alternative}](plots/${name})` : `Not measured: \`npm run bench -- ${command}\`.`
  const page = [
    '<!-- Written by `npm run bench:page` from test/bench/results/. Do not edit. -->',
    '# Speed',
    'Light is a model of 4 GFLOP at 320 pixels, heavy one of 83 at 1024, both with random weights. ' +
      '[The benches](../test/bench/README.md#speed) say what each figure is. ' +
      'More about time, memory and the database: [performance](performance.md).',
    '## What must be reached',
    '`npm run bench` measures all of it in one run.',
    mustsTable(results),
    '## Against the floor',
    'The floor is the CPU time of decoding, inference and encoding alone, by plain calls of sharp and ONNX Runtime, divided by the cores. ' +
      'Inference alone is one `session.run`.',
    plot('floor.svg', 'Milliseconds an image of rmbg process, the floor and inference alone', 'limit'),
    leastTable(results),
    '## Against peers',
    'The same model files and threads. transformers.js and `rmbg` write the same cut-outs; each with its usual number of images at once is the fair pair. ' +
      '@imgly/background-removal-node (imgly) brings ISNet, and is compared on photographs, with start and end.',
    plot('peers.svg', 'Milliseconds an image of rmbg and of its peers', 'peer'),
    plot('latency.svg', 'Percentiles of the latency of a single image', 'peer'),
    latencyNote(results),
    countsTable(results),
    '## Memory',
    plot('memory.svg', 'Peak memory of rmbg and of its peers', 'limit peer memory'),
    plot('growth.svg', 'Resident memory over a long run', 'memory'),
    '## The first image',
    'One picture with the built-in model, from the start of the program to its end. ' +
      '"The picture alone" is the same by plain calls of sharp and ONNX Runtime.',
    plot('first.svg', 'CPU seconds of the first image', 'first'),
    '## Without inference',
    jobsTable(results),
    '## Ways to write a PNG',
    pngTable(results),
    '## When and where',
    circumstancesTable(kept),
  ]
  const text = `${page.filter((part) => part !== '').join('\n\n')}\n`
  return {
    'speed.md': text,
    ...Object.fromEntries(Object.entries(plots).map(([name, svg]) => [`plots/${name}`, svg])),
  }
}

const markdownTable = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')

const notMeasured = (command: string): string => `Not measured: \`npm run bench -- ${command}\`.`

function mustsTable(results: Partial<Results>): string {
  const rows = mustsOf(results).map(({ what, must, measured, isReached }) => [
    ...[what, must, measured ?? 'not measured'],
    isReached === undefined ? '' : isReached ? 'yes' : '**no**',
  ])
  return markdownTable(['', 'Must', 'Measured', 'Reached'], rows)
}

function leastTable({ png, limit }: Partial<Results>): string {
  if (!png)
    return `What the best known decoder, matrix library and encoder take for the same bytes: ${notMeasured('png').toLowerCase()}`
  const rows = png.least.map((row) => {
    const ours = limit?.find(({ model, megapixels }) => model === row.model && megapixels === row.megapixels)
    return [
      ...[
        row.model,
        String(row.megapixels),
        figure(row.decodeMs),
        figure(row.inferenceMs),
        figure(row.encodeMs),
      ],
      ...[row.encoder, figure(row.leastMs), ours ? `${figure(ours.steadyMs.median / row.leastMs)} ×` : ''],
    ]
  })
  const head = ['Model', 'MP', 'Decode', 'Inference', 'Encode', 'Cut-outs by', 'Over the cores', '`rmbg`']
  return [
    'The floor of the floor: CPU milliseconds of an image with the best known decoder (libjpeg-turbo), matrix library (ONNX Runtime) and ' +
      'encoder, the quickest whose files are no larger than those of the floor (`npm run bench -- png`).',
    markdownTable(head, rows),
  ].join('\n\n')
}

function latencyNote({ transformers, imgly }: Partial<Results>): string {
  const counts = [...(transformers ?? []).map((row) => row.ours), ...(imgly ? [imgly.ours] : [])].flatMap(
    ({ latency }) => latency?.images ?? [],
  )
  if (counts.length === 0) return ''
  const [least, most] = [Math.min(...counts), Math.max(...counts)]
  return `Each row is of ${least === most ? least : `${least} to ${most}`} images; of fewer than 100, the 99th percentile is the slowest.`
}

/** Nothing where no processor has counted. */
function countsTable({ transformers, imgly }: Partial<Results>): string {
  const cell = ({ megaInstructions, joules }: PeerFigures) =>
    [
      megaInstructions ? `${figure(megaInstructions.median)} M` : '',
      joules ? `${figure(joules.median)} J` : '',
    ]
      .filter((part) => part !== '')
      .join(', ')
  const rows = [
    ...(transformers ?? []).map((row) => ({ name: `${row.model}, ${row.megapixels} MP`, ...row })),
    ...(imgly ? [{ name: 'imgly: photographs', ...imgly }] : []),
  ].map(({ name, ours, peer, peerAtOnce }) => [name, ...[ours, peerAtOnce, peer].map(cell)])
  if (rows.every(([, ...cells]) => cells.every((each) => each === ''))) return ''
  return [
    'Instructions outside the kernel, and energy of the processor, of an image with its share of start and end, by `perf stat`:',
    markdownTable(['', '`rmbg`', 'Peer, several at once', 'Peer, one at a time'], rows),
  ].join('\n\n')
}

function jobsTable({ jobs }: Partial<Results>): string {
  if (!jobs) return notMeasured('jobs')
  const rows = jobs.jobs.map((row) => [
    `${row.database}, ${row.store === 'folder' ? 'a folder' : row.store}, ${row.concurrency} at once`,
    figure(row.jobsPerSecond.median),
    ...[
      figure(row.cpuMsPerJob.median),
      figure(row.insertsPerSecond.median),
      figure(row.threePutsPerSecond.median),
    ],
  ])
  const reruns = jobs.reruns.map((row) => [
    ...[row.database, row.files.toLocaleString('en'), figure(row.seconds.median)],
    ...[row.cpuSeconds ? figure(row.cpuSeconds.median) : '', figure(row.peakRssMb.median)],
    row.filesOpened === undefined ? '' : String(row.filesOpened),
  ])
  return [
    'Jobs of tiny pictures with a model that does nothing (`npm run bench -- jobs`). Servers, store and program share the cores. ' +
      'Beside them: rows inserted one by one into the same table, and how often three such objects are stored, with nothing around them.',
    markdownTable(['', 'Jobs/s', 'CPU ms a job', 'Inserts/s', 'Three puts/s'], rows),
    'The same command again, when all is done:',
    markdownTable(['Database', 'Files', 'Seconds', 'CPU seconds', 'Peak MB', 'Files opened'], reruns),
  ].join('\n\n')
}

function pngTable({ png }: Partial<Results>): string {
  if (!png) return notMeasured('png')
  const rows = png.encoders.map((row) => [
    ...[String(row.megapixels), row.name, figure(row.cutoutBytes / 1000), figure(row.cutoutMs.median)],
    row.isPareto ? 'yes' : '',
    row.maskBytes === undefined ? '' : figure(row.maskBytes / 1000),
    row.maskMs === undefined ? '' : figure(row.maskMs.median),
  ])
  return [
    'CPU milliseconds of one thread for the same pixels, cut-outs as the program makes them (`npm run bench -- png`). ' +
      '"Pareto": no other makes fewer bytes of the cut-out in less time.',
    markdownTable(['MP', 'Encoder', 'Cut-out kB', 'CPU ms', 'Pareto', 'Mask kB', 'CPU ms of it'], rows),
  ].join('\n\n')
}

/** How each part is measured again. */
const commands: Record<PartName, string> = {
  limit: 'limit',
  transformers: 'peer --against transformers',
  imgly: 'peer --against imgly',
  jobs: 'jobs',
  startup: 'startup',
  first: 'first',
  memory: 'memory',
  png: 'png',
}

function circumstancesTable(kept: KeptResults): string {
  const rows = partNames.map((name) => {
    const command = `\`npm run bench -- ${commands[name]}\``
    const part = kept[name]
    if (!part) return [command, 'not measured', '', '', '']
    return [command, part.date, part.node, `${part.cores} × ${part.cpu}`, figure(part.loadBefore)]
  })
  return [
    'Load is that of the machine before the bench began: more than 0.3 means that other work shared the cores.',
    markdownTable(['Command', 'Day', 'Node', 'Cores', 'Load'], rows),
  ].join('\n\n')
}
