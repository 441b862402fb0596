/** The plots of docs/speed.md, each of the results of one part or two. */
import type { PeerFigures } from '../speed/peer-figures.ts'
import type { Results } from '../speed/results.ts'
import { figure } from '../speed/spread.ts'
import { type Chart, draw, type Row } from './svg.ts'

/** By file name; what was not measured is not drawn. */
export function plotsOf(results: Partial<Results>): Record<string, string> {
  const charts: Record<string, Chart | undefined> = {
    'floor.svg': floorChart(results),
    'peers.svg': peersChart(results),
    'latency.svg': latencyChart(results),
    'memory.svg': memoryChart(results),
    'growth.svg': growthChart(results),
    'first.svg': firstChart(results),
  }
  return Object.fromEntries(
    Object.entries(charts).flatMap(([name, chart]) => (chart ? [[name, draw(chart)]] : [])),
  )
}

const megapixels = (count: number): string => `${count} megapixel${count === 1 ? '' : 's'}`
/** What a plot says, for who cannot see it. */
const described = (rows: readonly Row[], head: string): string =>
  `${head}: ${rows.map(({ label, told }) => `${label}: ${told}`).join('; ')}.`

function floorChart({ limit }: Partial<Results>): Chart | undefined {
  if (!limit) return undefined
  const rows = limit.map(
    (row): Row => ({
      label: `${row.model}, ${megapixels(row.megapixels)}`,
      marks: [
        { series: 2, at: row.bareMs.median },
        { series: 1, at: row.floorMs.median },
        { series: 0, at: row.steadyMs.median },
      ],
      ...(row.model === 'light' && row.megapixels !== 24 && { must: row.floorMs.median * 1.3 }),
      ...(row.model === 'heavy' &&
        row.megapixels !== 24 && { must: row.bareMs.median / (row.megapixels === 1 ? 0.9 : 0.62) }),
      told: `${figure(row.ofFloor.median)} × floor, ${figure(row.ofBare.median)} of bare`,
    }),
  )
  return {
    title: 'Against the floor: milliseconds an image',
    description: described(rows, 'rmbg process, the floor, and inference alone'),
    unit: 'milliseconds an image (logarithmic)',
    ...{ kind: 'dots', series: ['rmbg process', 'floor', 'inference alone'], rows },
  }
}

const peerSeries = ['rmbg', 'peer, several at once', 'peer, one at a time', 'rmbg, one at a time']

function peersChart({ transformers, imgly }: Partial<Results>): Chart | undefined {
  const row = (
    label: string,
    of: (figures: PeerFigures) => number,
    [ours, atOnce, one]: PeerFigures[],
  ): Row => ({
    label,
    marks: [
      { series: 2, at: of(one!) },
      { series: 1, at: of(atOnce!) },
      { series: 0, at: of(ours!) },
    ],
    told: `${figure(of(atOnce!) / of(ours!))} ×, ${figure(of(one!) / of(ours!))} ×`,
  })
  const steady = ({ steadyMs }: PeerFigures) => steadyMs.median
  const rows = [
    ...(transformers ?? []).map((each) =>
      row(`${each.model}, ${megapixels(each.megapixels)}`, steady, [each.ours, each.peerAtOnce, each.peer]),
    ),
    ...(imgly
      ? [
          row('imgly: photographs', ({ wholeMs }) => wholeMs.median, [
            imgly.ours,
            imgly.peerAtOnce,
            imgly.peer,
          ]),
        ]
      : []),
  ]
  if (rows.length === 0) return undefined
  return {
    title: 'Against peers: milliseconds an image',
    description: described(
      rows,
      'How many times as fast as the peer with several at once, and with one at a time',
    ),
    unit: 'milliseconds an image (logarithmic)',
    ...{ kind: 'dots', series: peerSeries.slice(0, 3), rows, toldHead: 'times as fast as each' },
  }
}

function latencyChart({ transformers, imgly }: Partial<Results>): Chart | undefined {
  const row = (label: string, whose: (PeerFigures | undefined)[]): Row[] => {
    const marks = whose.flatMap((figures, series) => {
      const latency = figures?.latency
      return latency ? [{ series, at: latency.p50, between: [latency.p90], to: latency.p99 }] : []
    })
    if (marks.length === 0) return []
    const ours = whose[0]?.latency
    return [
      {
        label,
        marks,
        told: ours ? [ours.p50, ours.p90, ours.p99].map((value) => value.toFixed(0)).join(', ') : '',
      },
    ]
  }
  const rows = [
    ...(transformers ?? []).flatMap((each) =>
      row(`${each.model}, ${megapixels(each.megapixels)}`, [
        each.ours,
        each.peerAtOnce,
        each.peer,
        each.oursOneAtATime,
      ]),
    ),
    ...(imgly
      ? row('imgly: photographs', [imgly.ours, imgly.peerAtOnce, imgly.peer, imgly.oursOneAtATime])
      : []),
  ]
  if (rows.length === 0) return undefined
  return {
    title: 'A single image, from its start to its stored objects',
    description: described(
      rows,
      'Median, 90th and 99th percentile of the latency with rmbg, in milliseconds',
    ),
    unit: 'milliseconds (logarithmic): median, 90th and 99th percentile',
    ...{ kind: 'dots', series: peerSeries, rows, toldHead: 'rmbg: p50, p90, p99' },
  }
}

function memoryChart({ limit, memory, transformers, imgly }: Partial<Results>): Chart | undefined {
  const light = limit?.find(({ model, megapixels: size }) => model === 'light' && size === 1)
  const peer = transformers?.find(({ model, megapixels: size }) => model === 'light' && size === 1)
  const row = (label: string, series: number, mb: number | undefined, must?: number): Row[] =>
    mb === undefined
      ? []
      : [
          {
            label,
            marks: [{ series, at: mb }],
            told: `${figure(mb)} MB`,
            ...(must !== undefined && { must }),
          },
        ]
  const rows = [
    ...row('light, embedded', 0, light?.peakRssMb.median, 380),
    ...row('light, with a server', 0, memory?.onServer?.peakMb, 250),
    ...row('light, transformers.js', 1, peer?.peer.peakRssMb.median),
    ...row('… several at once', 1, peer?.peerAtOnce.peakRssMb.median),
    ...row('ISNet', 0, imgly?.ours.peakRssMb.median, 1300),
    ...row('ISNet, imgly', 1, imgly?.peer.peakRssMb.median),
  ]
  if (rows.length === 0) return undefined
  return {
    title: 'Peak memory: light model at 1 megapixel, and ISNet on photographs',
    description: described(rows, 'Peak of resident memory'),
    unit: 'megabytes',
    ...{ kind: 'bars', series: ['rmbg', 'peer'], rows },
  }
}

function growthChart({ memory }: Partial<Results>): Chart | undefined {
  const run = memory?.runs.find(({ megapixels: size, maxMemory }) => size === 1 && maxMemory === undefined)
  if (!run || run.rss.length < 2) return undefined
  // A bar for each eighth of the run shows a trend as well as forty would.
  const every = Math.max(Math.floor(run.rss.length / 8), 1)
  const rows = run.rss
    .filter((_, index) => index % every === 0 || index === run.rss.length - 1)
    .map(
      ({ images, rssMb }): Row => ({
        label: images === 1 ? 'first image' : `${images.toLocaleString('en')} images`,
        marks: [{ series: 0, at: rssMb }],
        told: `${figure(rssMb)} MB`,
      }),
    )
  return {
    title: `Memory over ${run.images.toLocaleString('en')} images: ${figure(run.growthMb)} MB more per 1,000`,
    description: described(rows, 'Resident memory after so many images of 1 megapixel'),
    unit: 'megabytes',
    ...{ kind: 'bars', series: ['rmbg, light model, 1 megapixel'], rows },
  }
}

function firstChart({ first }: Partial<Results>): Chart | undefined {
  if (!first) return undefined
  const musts: Record<string, number> = { 'a new home': 2.5, 'a used home': 1.5 }
  const rows = first.map(
    ({ what, cpuSeconds, seconds }): Row => ({
      label: what,
      marks: [{ series: what.endsWith('home') ? 0 : 1, at: cpuSeconds.median }],
      ...(musts[what] !== undefined && { must: musts[what] }),
      told: `${figure(cpuSeconds.median)} s, ${figure(seconds.median)} s by the clock`,
    }),
  )
  return {
    title: 'The first image, from start to end: CPU seconds',
    description: described(rows, 'One picture of 1 megapixel with the built-in model'),
    unit: 'CPU seconds',
    ...{ kind: 'bars', series: ['rmbg process', 'to compare'], rows },
  }
}
