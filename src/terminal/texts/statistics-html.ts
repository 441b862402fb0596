import { sizeText } from '../../bytes.ts'
import type { Usage } from '../../database/usage.ts'
import type { Report, Statistics } from '../../jobs/statistics.ts'
import { printable } from '../printable.ts'
import { look } from './look.ts'

const escaped = (text: string): string =>
  printable(text).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)

/** A chart is drawn twice, because text in it shrinks with it: for wide windows, and for those of telephones. */
const sizes = [
  { name: 'wide', width: 960, height: 220, dates: 8 },
  { name: 'narrow', width: 380, height: 200, dates: 4 },
] as const
type Size = (typeof sizes)[number]

const left = 56
const bottom = 24
/** Days that a chart has at least, however few had jobs. */
const fewestDays = 7

/** Round figures for an axis: 0 and up to five more. */
function ticks(most: number): number[] {
  const rough = Math.max(most, 1) / 4
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough)!
  return Array.from({ length: Math.ceil(most / step) + 1 }, (_, index) => index * step)
}

interface Series {
  name: string
  /** A custom property of the page, which is another color in the dark. */
  color: `var(--${string})`
  /** One per day; null where there is nothing to show. */
  values: (number | null)[]
}

/** A heading, a legend, and a chart in every size. */
function plot(title: string, chart: Chart): string {
  const legend = chart.series.map(
    ({ name, color }) => `<span><i style="background:${color}"></i>${name}</span>`,
  )
  return `<h2>${title}</h2><p class="legend">${legend.join('')}</p>
${sizes.map((size) => svg(title, chart, size)).join('\n')}`
}

interface Chart {
  days: string[]
  series: Series[]
  most: number
  draw: Draw
}

/** A value axis, a few dates, and whatever `draw` puts between them. */
function svg(title: string, { days, most, draw }: Chart, size: Size): string {
  const { width, height } = size
  const top = ticks(most).at(-1)!
  const x = (index: number) => left + ((index + 0.5) * (width - left)) / days.length
  const y = (value: number) => height - bottom - (value / top) * (height - bottom - 12)
  const grid = ticks(most).map(
    (value) =>
      `<line x1="${left}" x2="${width}" y1="${y(value)}" y2="${y(value)}"/><text x="${left - 8}" y="${y(value) + 4}" text-anchor="end">${value.toLocaleString('en')}</text>`,
  )
  const every = Math.ceil(days.length / size.dates)
  const dates = days.flatMap((day, index) =>
    index % every === 0
      ? `<text x="${x(index)}" y="${height - 6}" text-anchor="middle">${size.name === 'wide' ? day : day.slice(5)}</text>`
      : [],
  )
  const thickness = Math.max(1, ((width - left) / days.length) * 0.8)
  return `<svg class="${size.name}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${title}"><g class="grid">${grid.join('')}</g>${draw({ x, y, thickness })}<g>${dates.join('')}</g></svg>`
}

/** @param of.thickness of a bar */
type Draw = (of: { x: (index: number) => number; y: (value: number) => number; thickness: number }) => string

function bars(title: string, days: string[], series: Series[]): string {
  const totals = days.map((_, day) => series.reduce((sum, { values }) => sum + (values[day] ?? 0), 0))
  return plot(title, {
    days,
    series,
    most: Math.max(...totals, 1),
    draw: ({ x, y, thickness }) =>
      days
        .map((day, index) => {
          let below = 0
          return series
            .map(({ name, color, values }) => {
              const value = values[index] ?? 0
              const from = below
              below += value
              if (value === 0) return ''
              return `<rect x="${x(index) - thickness / 2}" y="${y(below)}" width="${thickness}" height="${y(from) - y(below)}" fill="${color}"><title>${day}: ${value} ${name}</title></rect>`
            })
            .join('')
        })
        .join(''),
  })
}

function lines(title: string, days: string[], series: Series[]): string {
  const most = Math.max(...series.flatMap(({ values }) => values.map((value) => value ?? 0)), 1)
  return plot(title, {
    days,
    series,
    most,
    draw: ({ x, y }) =>
      series
        .map(({ name, color, values }) => {
          // A day without jobs breaks the line: nothing is known of it.
          const path = values
            .map((value, index) =>
              value === null
                ? ''
                : `${(values[index - 1] ?? null) === null ? 'M' : 'L'}${x(index)} ${y(value)}`,
            )
            .join('')
          const dots = values.map((value, index) =>
            value === null
              ? ''
              : `<circle cx="${x(index)}" cy="${y(value)}" r="3" fill="${color}"><title>${days[index]}: ${name} ${Math.round(value)} ms</title></circle>`,
          )
          return `<path d="${path}" fill="none" stroke="${color}" stroke-width="2"/>${dots.join('')}`
        })
        .join(''),
  })
}

/** The days from the first one with jobs on: a new log would otherwise be an empty chart with a bar at its end. */
function daysWithJobs(groups: readonly Usage[]): Usage[] {
  const first = groups.findIndex(({ jobs }) => jobs > 0)
  return groups.slice(Math.max(0, Math.min(first, groups.length - fewestDays)))
}

const figure = (value: number | null, digits = 0): string =>
  value === null ? '' : value.toLocaleString('en', { maximumFractionDigits: digits })

function groupTable({ by, groups }: Statistics): string {
  const rows = groups.map(
    (usage) =>
      `<tr><td>${escaped(usage.value)}</td>${[
        figure(usage.jobs),
        figure(usage.failed),
        figure(usage.errorRate, 1),
        figure(usage.meanMs),
        figure(usage.p25Ms),
        figure(usage.p50Ms),
        figure(usage.p75Ms),
        figure(usage.p95Ms),
        usage.quartile === undefined ? '' : String(usage.quartile),
      ]
        .map((cell) => `<td>${cell}</td>`)
        .join('')}</tr>`,
  )
  const head = [
    by,
    'jobs',
    'failed',
    'errors %',
    'mean ms',
    'p25 ms',
    'p50 ms',
    'p75 ms',
    'p95 ms',
    by === 'user' ? 'quartile' : '',
  ]
  return `<h2>By ${by}</h2><div class="scroll"><table><tr>${head.map((name) => `<th>${name}</th>`).join('')}</tr>${rows.join('')}</table></div>`
}

/** What is so at this moment, which a log knows and an export does not. */
const nowFacts = ({ unfinished, store }: Pick<Statistics, 'unfinished' | 'store'>): [string, string][] => [
  ...(unfinished
    ? ([
        ['pending now', figure(unfinished.pending)],
        ['in work now', figure(unfinished.processing)],
      ] as [string, string][])
    : []),
  ...(store
    ? ([
        ['originals', sizeText(store.original)],
        ['masks', sizeText(store.mask)],
        ['cut-outs', sizeText(store.processed)],
      ] as [string, string][])
    : []),
]

/** A page that needs nothing but itself: no script, no request. */
export function statisticsHtml({ daily, others }: Report): string {
  const { from, to, total, groups, unfinished, verdicts, store } = daily
  const shown = daysWithJobs(groups)
  const days = shown.map(({ value }) => value)
  const of = (pick: (usage: Usage) => number | null) => shown.map(pick)
  const facts: [string, string][] = [
    ['jobs', figure(total.jobs)],
    ['succeeded', total.errorRate === null ? '' : `${figure(100 - total.errorRate, 1)} %`],
    ['need review', figure(total.needReview)],
    ...(verdicts
      ? ([
          ['accepted', figure(verdicts.accepted)],
          ['rejected', figure(verdicts.rejected)],
        ] as [string, string][])
      : []),
    ['mean', `${figure(total.meanMs)} ms`],
    ['p50', `${figure(total.p50Ms)} ms`],
    ['p95', `${figure(total.p95Ms)} ms`],
    ...nowFacts({ unfinished, store }),
  ]
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>rmbg ${from} to ${to}</title>
<style>
${look}body{max-width:960px;margin:2rem auto;padding:0 1rem}h2{margin:2rem 0 .5rem}
svg{width:100%;height:auto}svg text{font-size:11px;fill:var(--faint)}.grid line{stroke:var(--line)}
svg.narrow{display:none}@media (max-width:640px){svg.narrow{display:block}svg.wide{display:none}body{margin:1rem auto}}
dl{display:flex;flex-wrap:wrap;gap:.5rem 2rem}dt{color:var(--faint);font-size:.85rem}dd{margin:0;font-size:1.2rem}
.legend{margin:0}.legend span{margin-right:1.2rem;color:var(--faint)}.legend i{display:inline-block;width:.8em;height:.8em;margin-right:.4em}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%}th,td{text-align:right;padding:.25rem .6rem;border-bottom:1px solid var(--line)}
th:first-child,td:first-child{text-align:left;overflow-wrap:anywhere;min-width:6rem}
</style></head><body>
<h1>Background removal, ${from} to ${to} (UTC)</h1>
<dl>${facts.map(([name, value]) => `<div><dt>${name}</dt><dd>${value}</dd></div>`).join('')}</dl>
${bars('Jobs per day', days, [
  { name: 'completed', color: 'var(--blue)', values: of(({ completed }) => completed) },
  { name: 'failed', color: 'var(--red)', values: of(({ failed }) => failed) },
])}
${lines('Processing time per day, ms', days, [
  { name: 'p50', color: 'var(--blue)', values: of(({ p50Ms }) => p50Ms) },
  { name: 'mean', color: 'var(--gray)', values: of(({ meanMs }) => meanMs) },
  { name: 'p95', color: 'var(--amber)', values: of(({ p95Ms }) => p95Ms) },
])}
${others.map(groupTable).join('\n')}
</body></html>
`
}
