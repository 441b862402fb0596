/** The parts of the bench: how each is measured, and what is printed of it. */
import { table } from '../../../src/terminal/table.ts'
import { program } from '../../support/cli.ts'
import { firstPictureTable, timeFirstPicture } from '../first-picture.ts'
import { timeJobs, timeRerun } from './jobs.ts'
import { toldPercentiles } from './latency.ts'
import { timeLimit } from './limit.ts'
import { measureLarge, measureMemory, measureOnServer } from './memory.ts'
import type { PeerFigures } from './peer-figures.ts'
import type { Difference } from './peer-imgly/difference.ts'
import type { PeerModel } from './peer-imgly/install.ts'
import { type StepDifferences, stepNames, timeImgly } from './peer-imgly.ts'
import { timeTransformers } from './peer-transformers.ts'
import { countCells, countHeads } from './perf.ts'
import { photoFolder } from './pictures.ts'
import { measurePng } from './png.ts'
import type { PartName, Results } from './results.ts'
import { figure, mean, told } from './spread.ts'
import { timeStartup } from './startup.ts'

export interface BenchOptions {
  /** How many rounds where so many are usual. */
  rounds: (usual: number) => number
  quick: boolean
  models: readonly string[]
  megapixels: readonly number[]
  /** Passed on to `rmbg process`, in `limit`. */
  flags: readonly string[]
  /** Folder of photographs that stand in for made pictures. */
  photos: string | undefined
  /** Of the peer's weights. */
  peerModel: PeerModel
  /** Tells which step of the way makes masks differ from the peer's. */
  steps: boolean
  tell: (line: string) => void
}

interface Part<Name extends PartName> {
  run: (options: BenchOptions) => Promise<Results[Name]>
  tables: (result: Results[Name]) => string[]
}

export const parts: { [Name in PartName]: Part<Name> } = {
  limit: {
    run: ({ rounds, quick, ...options }) =>
      timeLimit({ ...options, rounds: rounds(3), shorter: quick ? 4 : 1 }),
    tables: (rows) => [
      table(
        [
          ...['MODEL', 'MP', 'IMAGES', 'BARE MS', 'MS/IMAGE', 'OF BARE', 'FLOOR MS', 'OF FLOOR', 'CPU MS'],
          ...['WITH START', 'PEAK MB', ...countHeads(rows)],
        ],
        rows.map((row) => [
          ...[row.model, row.megapixels, row.images],
          ...[told(row.bareMs), told(row.steadyMs), told(row.ofBare), told(row.floorMs), told(row.ofFloor)],
          ...[figure(row.cpuMs.median), figure(row.wholeMs.median), figure(row.peakRssMb.median)],
          ...countCells(rows, row),
        ]),
      ),
    ],
  },
  transformers: {
    run: ({ rounds, quick, ...options }) =>
      timeTransformers({ ...options, rounds: rounds(2), shorter: quick ? 2 : 1 }),
    tables: (rows) => [
      table(
        [
          ...[
            'MODEL',
            'MP',
            'OURS MS',
            'PEER MS',
            'AT ONCE MS',
            'FASTER',
            'THAN AT ONCE',
            'DEFAULT MS',
            'BARE MS',
          ],
          ...['OURS MB', 'ON SERVER MB', 'PEER MB', 'ALPHA OFF', 'OURS KB', 'PEER KB'],
        ],
        rows.map((row) => [
          ...[row.model, row.megapixels, told(row.ours.steadyMs), told(row.peer.steadyMs)],
          ...[told(row.peerAtOnce.steadyMs), told(row.faster), told(row.fasterThanAtOnce)],
          ...[figure(row.oursByDefault.steadyMs.median), row.bareMs && figure(row.bareMs.median)],
          figure(row.ours.peakRssMb.median),
          row.oursOnServer && figure(row.oursOnServer.peakRssMb.median),
          ...[figure(row.peer.peakRssMb.median), figure(row.difference.alphaMean)],
          ...[row.cutoutBytes?.ours, row.cutoutBytes?.peer].map((bytes) => bytes && figure(bytes / 1000)),
        ]),
      ),
      singleImages(
        rows.flatMap((row) =>
          transformersRuns.flatMap(([name, key]) => {
            const figures = row[key]
            return figures ? [{ name: `${row.model}, ${row.megapixels} MP: ${name}`, figures }] : []
          }),
        ),
      ),
    ],
  },
  imgly: {
    run: ({ rounds, quick, photos, peerModel, steps, tell }) =>
      timeImgly({
        ...{ rounds: rounds(2), model: peerModel, photos: photos ?? photoFolder(), most: quick ? 5 : 30 },
        ...{ steps, tell },
      }),
    tables: (result) => [
      ...(result.steps ? [stepsTable(result.steps)] : []),
      table(
        ['WITH START', 'IMAGES/S', 'CPU S AN IMAGE', 'PEAK MB'],
        imglyRuns.map(([name, key]) => {
          const { wholeMs, cpuMs, peakRssMb } = result[key]
          const perSecond = figure(1000 / wholeMs.median)
          return [name, perSecond, figure(cpuMs.median / 1000), figure(peakRssMb.median)]
        }),
      ),
      singleImages(imglyRuns.map(([name, key]) => ({ name, figures: result[key] }))),
      ...(result.quality
        ? [
            table(
              [`${result.quality.references} REFERENCES`, 'IOU', 'MAE', 'BOUNDARY IOU'],
              (['ours', 'peer'] as const).map((whose) => {
                const { iou, mae, boundaryIou } = result.quality![whose]
                return [whose, ...[iou, mae, boundaryIou].map((value) => value.toFixed(4))]
              }),
            ),
          ]
        : ['None of the photographs has a reference mask (<name>.mask.png).']),
      `${result.photographs} photographs of ${result.megapixels} megapixels on average, ISNet ${result.model}: ${told(result.faster)} times as fast as the peer, ${told(result.fasterThanAtOnce)} as the peer with several at once.`,
    ],
  },
  jobs: {
    run: async ({ rounds, quick, tell }) => {
      const reruns = quick
        ? ([{ database: 'PostgreSQL', files: 1000 }] as const)
        : ([
            { database: 'PostgreSQL', files: 10_000 },
            { database: 'PostgreSQL', files: 100_000 },
            { database: 'embedded', files: 10_000 },
          ] as const)
      const options = { rounds: rounds(2), jobs: quick ? 200 : 1500, reruns: [...reruns], tell }
      return { jobs: await timeJobs(options), reruns: await timeRerun(options) }
    },
    tables: ({ jobs, reruns }) => [
      table(
        [
          ...['DATABASE', 'STORE', 'AT ONCE', 'JOBS/S', 'MILLION/DAY', 'CPU MS', 'INSERTS/S', '3 PUTS/S'],
          ...['WITH START', ...countHeads(jobs)],
        ],
        jobs.map((row) => [
          ...[row.database, row.store, row.concurrency, told(row.jobsPerSecond)],
          ...[figure((row.jobsPerSecond.median * 86_400) / 1e6), figure(row.cpuMsPerJob.median)],
          ...[
            told(row.insertsPerSecond),
            told(row.threePutsPerSecond),
            figure(row.wholeJobsPerSecond.median),
          ],
          ...countCells(jobs, row),
        ]),
      ),
      table(
        ['RE-RUN', 'FILES', 'SECONDS', 'CPU SECONDS', 'PEAK MB', 'FILES OPENED', ...countHeads(reruns)],
        reruns.map((row) => [
          ...[row.database, row.files, told(row.seconds), row.cpuSeconds && told(row.cpuSeconds)],
          ...[figure(row.peakRssMb.median), row.filesOpened, ...countCells(reruns, row)],
        ]),
      ),
    ],
  },
  startup: {
    run: ({ rounds, tell }) => timeStartup(rounds(7), tell),
    tables: (rows) => [
      table(
        ['WHAT', 'MS', 'CPU MS', 'PEAK MB', 'FILES LOADED', ...countHeads(rows)],
        rows.map((row) => [
          ...[row.what, told(row.ms), figure(row.cpuMs), figure(row.peakRssMb), row.filesLoaded],
          ...countCells(rows, row),
        ]),
      ),
    ],
  },
  first: {
    run: ({ rounds }) => timeFirstPicture({ program, rounds: rounds(5) }),
    tables: (rows) => [firstPictureTable(rows)],
  },
  memory: {
    run: async ({ quick, photos, tell }) => {
      const options = { quick, photos, tell }
      const runs = await measureMemory(options)
      // What follows has pictures of sizes that are the point of it.
      if (photos !== undefined) return { runs, large: [] }
      const onServer = await measureOnServer(options)
      return { runs, large: await measureLarge(tell), ...(onServer && { onServer }) }
    },
    tables: ({ runs, large, onServer }) => [
      table(
        ['MP', 'IMAGES', 'BUDGET MB', 'BASE MB', 'PEAK MB', 'OVER BASE', 'GROWTH/1000', 'MS/IMAGE'],
        runs.map((row) => [
          ...[row.megapixels, row.images, `${row.maxMemory ?? 'default'}: ${Math.round(row.budgetMb)}`],
          ...[row.baseMb, row.peakMb, row.peakMb - row.baseMb].map(Math.round),
          ...[figure(row.growthMb), figure(row.msPerImage)],
        ]),
      ),
      runs
        .map(({ megapixels, maxMemory, rss }) => {
          const steps = rss.map(({ rssMb }) => Math.round(rssMb)).join(' ')
          return `RSS MB, ${megapixels} MP, ${maxMemory ?? 'default'} budget: ${steps}`
        })
        .join('\n'),
      onServer
        ? `With a server: ${onServer.images} images of ${onServer.megapixels} MP, peak ${Math.round(onServer.peakMb)} MB`
        : 'With a server: not measured (RMBG_TEST_DATABASE_URL is not set, or --photos)',
      ...(large.length > 0
        ? [
            table(
              ['MP', 'BUDGET MB', 'OUTCOME', 'SECONDS', 'PEAK MB'],
              large.map((row) => [
                ...[
                  row.megapixels,
                  `${row.maxMemory ?? 'default'}: ${Math.round(row.budgetMb)}`,
                  row.outcome,
                ],
                ...[figure(row.seconds), Math.round(row.peakMb)],
              ]),
            ),
          ]
        : []),
    ],
  },
  png: {
    run: ({ rounds, quick, tell }) => measurePng({ rounds: rounds(3), images: quick ? 1 : 4, tell }),
    tables: ({ encoders, least }) => [
      table(
        ['MP', 'ENCODER', 'CUT-OUT KB', 'CPU MS', 'PARETO', 'MASK KB', 'CPU MS OF IT'],
        encoders.map((row) => [
          ...[row.megapixels, row.name, figure(row.cutoutBytes / 1000), told(row.cutoutMs)],
          row.isPareto ? 'yes' : '',
          row.maskBytes && figure(row.maskBytes / 1000),
          row.maskMs && told(row.maskMs),
        ]),
      ),
      table(
        ['LEAST', 'MP', 'DECODE MS', 'INFERENCE MS', 'ENCODE MS', 'BY', 'MS/IMAGE'],
        least.map((row) => [
          ...[row.model, row.megapixels, figure(row.decodeMs), figure(row.inferenceMs)],
          ...[figure(row.encodeMs), row.encoder, figure(row.leastMs)],
        ]),
      ),
    ],
  },
}

export const transformersRuns = [
  ['ours', 'ours'],
  ['ours, one at a time', 'oursOneAtATime'],
  ['peer, at once', 'peerAtOnce'],
  ['peer, one at a time', 'peer'],
] as const

export const imglyRuns = [
  ['ours', 'ours'],
  ['ours, --no-refine', 'oursUnrefined'],
  ['ours, one at a time', 'oursOneAtATime'],
  ['peer, at once', 'peerAtOnce'],
  ['peer, one at a time', 'peer'],
] as const

function singleImages(rows: readonly { name: string; figures: PeerFigures }[]): string {
  const figures = rows.map((row) => row.figures)
  return table(
    ['A SINGLE IMAGE', 'P50, P90, P99 MS', 'IMAGES', 'CPU MS', ...countHeads(figures)],
    rows.map(({ name, figures: each }) => [
      ...[name, toldPercentiles(each.latency), each.latency?.images, figure(each.cpuMs.median)],
      ...countCells(figures, each),
    ]),
  )
}

function stepsTable(steps: readonly StepDifferences[]): string {
  const cell = ({ mean: average, most }: Difference) => `${figure(average)}, ${figure(most)}`
  const meanOf = (step: (typeof stepNames)[number]) => figure(mean(steps.map((each) => each[step].mean)))
  return table(
    ['MEAN, MOST OF 255', 'OURS', 'SHRUNK', 'NORMALIZED', 'ENLARGED AS THE PEER'],
    [
      ...steps.map((each) => [each.name, ...stepNames.map((step) => cell(each[step]))]),
      ['mean of means', ...stepNames.map(meanOf)],
    ],
  )
}
