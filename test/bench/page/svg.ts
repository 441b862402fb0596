/** Charts as SVG: rows of dots, ranges or bars along one axis. Text stays text; colors follow the reader's scheme. */

export interface Mark {
  /** Index into the chart's series. */
  series: number
  at: number
  /** Draws a line from `at` to here, with what lies between as smaller dots. */
  to?: number
  between?: readonly number[]
}

export interface Row {
  label: string
  marks: readonly Mark[]
  /** What must be reached, as a stroke through the row. */
  must?: number
  /** Stands at the right. */
  told: string
}

export interface Chart {
  title: string
  /** What a person who cannot see it is told. */
  description: string
  /** Below the axis. */
  unit: string
  /** Bars begin at 0; dots are on a logarithmic axis, so that what takes ten times as long fits beside. */
  kind: 'bars' | 'dots'
  series: readonly string[]
  rows: readonly Row[]
  /** Above the texts at the right. */
  toldHead?: string
}

const width = 800
const labelWidth = 170
const toldWidth = 190
const [left, right] = [labelWidth + 16, width - toldWidth - 16]
const top = 74
const barHeight = 12
const dotRowHeight = 28
/** Ranges lie below each other. */
const [rangeRowHeight, rangeDistance] = [48, 9]
/** Between texts below the axis. */
const leastTickDistance = 46

/** An axis of at least this many times its least is drawn, however near its values are. */
const leastSpan = 4

/** @returns the file, with a line end */
export function draw(chart: Chart): string {
  const { kind, rows, series, unit } = chart
  const scale = kind === 'bars' ? linear(valuesOf(rows)) : logarithmic(valuesOf(rows))
  const heights = rows.map(({ marks }) => heightOf(kind, marks))
  const tops = heights.map((_, index) => top + sum(heights.slice(0, index)))
  const bottom = top + sum(heights)
  const height = bottom + 44
  return lines([
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="title description">`,
    `<title id="title">${escaped(chart.title)}</title>`,
    `<desc id="description">${escaped(chart.description)}</desc>`,
    `<style>${style}</style>`,
    `<rect class="page" width="${width}" height="${height}" rx="6"/>`,
    text(16, 26, chart.title, 'head'),
    ...legend(
      series,
      kind,
      rows.some(({ must }) => must !== undefined),
    ),
    ...(chart.toldHead ? [text(width - 16, 50, chart.toldHead, 'quiet end')] : []),
    ...scale.ticks.flatMap((tick) => [
      `<path class="grid" d="M${round(scale.x(tick))} ${top - 8}V${bottom + 4}"/>`,
      text(scale.x(tick), bottom + 18, told(tick), 'quiet middle'),
    ]),
    text((left + right) / 2, bottom + 36, unit, 'quiet middle'),
    ...rows.flatMap((row, index) => rowOf(row, { kind, scale, top: tops[index]!, height: heights[index]! })),
    '</svg>',
  ])
}

function heightOf(kind: Chart['kind'], marks: readonly Mark[]): number {
  if (kind === 'bars') return marks.length * (barHeight + 2) + 12
  return marks.some(({ to }) => to !== undefined) ? rangeRowHeight : dotRowHeight
}

interface RowPlace {
  kind: Chart['kind']
  scale: Scale
  top: number
  height: number
}

function rowOf(
  { label, marks, must, told: figures }: Row,
  { kind, scale, top: from, height }: RowPlace,
): string[] {
  const middle = kind === 'bars' ? from + (marks.length * (barHeight + 2)) / 2 - 1 : from + height / 2 - 4
  const mustAt = must === undefined ? undefined : round(scale.x(must))
  return [
    text(labelWidth, middle + 4, label, 'end'),
    ...(kind === 'dots' ? [`<path class="grid" d="M${left} ${middle}H${right}"/>`] : []),
    ...marks.flatMap((mark, index) =>
      kind === 'bars' ? bar(mark, scale, from + index * (barHeight + 2)) : dot(mark, scale, middle),
    ),
    ...(mustAt === undefined ? [] : [`<path class="must" d="M${mustAt} ${from - 3}V${from + height - 6}"/>`]),
    text(width - 16, middle + 4, figures, 'end'),
  ]
}

function bar({ series, at }: Mark, { x }: Scale, y: number): string[] {
  return [
    `<rect class="s${series}" x="${left}" y="${round(y)}" width="${round(Math.max(x(at) - left, 1))}" height="${barHeight}"/>`,
  ]
}

function dot({ series, at, to, between = [] }: Mark, { x }: Scale, y: number): string[] {
  // Series share a row: each lies on a line of its own, so that none hides another.
  const line = y + (series - 1.5) * (to === undefined ? 3 : rangeDistance)
  if (to === undefined) return [shape(series, x(at), line)]
  return [
    `<path class="l${series}" d="M${round(x(at))} ${round(line)}H${round(x(to))}"/>`,
    shape(series, x(at), line),
    ...[...between, to].map(
      (value) => `<circle class="s${series}" cx="${round(x(value))}" cy="${round(line)}" r="2.5"/>`,
    ),
  ]
}

/** Told apart by more than color. */
function shape(series: number, x: number, y: number): string {
  const [cx, cy] = [round(x), round(y)]
  const paths = [
    `<circle class="s0" cx="${cx}" cy="${cy}" r="5"/>`,
    `<path class="s1" d="M${cx} ${cy}m-5 -5h10v10h-10z"/>`,
    `<path class="s2" d="M${cx} ${cy}m0 -6l6 6l-6 6l-6 -6z"/>`,
    `<path class="s3" d="M${cx} ${cy}m0 -6l6 11h-12z"/>`,
  ]
  return paths[series]!
}

function legend(series: readonly string[], kind: Chart['kind'], hasMust: boolean): string[] {
  const parts: string[] = []
  let x = 16
  for (const [index, name] of series.entries()) {
    parts.push(
      kind === 'bars'
        ? `<rect class="s${index}" x="${x}" y="40" width="12" height="12"/>`
        : shape(index, x + 6, 46),
    )
    parts.push(text(x + 18, 50, name, ''))
    x += 34 + name.length * 6.6
  }
  if (hasMust) parts.push(`<path class="must" d="M${round(x + 6)} 39V53"/>`, text(x + 16, 50, 'must', ''))
  return parts
}

interface Scale {
  x: (value: number) => number
  ticks: number[]
}

const valuesOf = (rows: readonly Row[]): number[] =>
  rows.flatMap(({ marks, must }) => [
    ...marks.flatMap(({ at, to }) => [at, to ?? at]),
    ...(must ? [must] : []),
  ])

function linear(values: readonly number[]): Scale {
  const most = Math.max(...values)
  const step = [1, 2, 5, 10]
    .map((times) => times * 10 ** Math.floor(Math.log10(most / 4)))
    .find((of) => most / of <= 6)!
  const end = Math.ceil(most / step) * step
  return {
    x: (value) => left + (value / end) * (right - left),
    ticks: Array.from({ length: Math.round(end / step) + 1 }, (_, index) =>
      Number((index * step).toPrecision(6)),
    ),
  }
}

function logarithmic(values: readonly number[]): Scale {
  const steps = [-2, -1, 0, 1, 2, 3, 4, 5, 6].flatMap((power) =>
    [1, 2, 5].map((times) => Number((times * 10 ** power).toPrecision(6))),
  )
  const [least, most] = [Math.min(...values), Math.max(...values)]
  const from = steps.findLast((step) => step <= least) ?? least
  const to = steps.find((step) => step >= Math.max(most, from * leastSpan)) ?? most
  const x = (value: number) => left + (Math.log(value / from) / Math.log(to / from)) * (right - left)
  const ticks: number[] = []
  for (const step of steps.filter((each) => each >= from && each <= to)) {
    if (ticks.length === 0 || x(step) - x(ticks.at(-1)!) >= leastTickDistance) ticks.push(step)
  }
  return { x, ticks }
}

const told = (value: number): string => value.toLocaleString('en')
const round = (value: number): number => Math.round(value * 10) / 10
const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0)
const lines = (parts: readonly string[]): string => `${parts.join('\n')}\n`

const escaped = (value: string): string =>
  value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

const text = (x: number, y: number, value: string, name: string): string =>
  `<text x="${round(x)}" y="${round(y)}"${name === '' ? '' : ` class="${name}"`}>${escaped(value)}</text>`

/** A ground of its own: a page may be dark where the reader's system is light. */
const style = [
  'text{font:12px system-ui,-apple-system,"Segoe UI",sans-serif;fill:#1f2328}',
  '.head{font-size:15px;font-weight:600}.quiet{fill:#59636e}.end{text-anchor:end}.middle{text-anchor:middle}',
  '.page{fill:#fff;stroke:#d1d9e0}.grid{stroke:#e3e8ee;fill:none}.must{stroke:#cf222e;stroke-width:2;stroke-dasharray:3 2;fill:none}',
  '.s0{fill:#0969da}.s1{fill:#bc4c00}.s2{fill:#8250df}.s3{fill:#59636e}',
  '.l0{stroke:#0969da}.l1{stroke:#bc4c00}.l2{stroke:#8250df}.l3{stroke:#59636e}.l0,.l1,.l2,.l3{stroke-width:2;fill:none}',
  '@media(prefers-color-scheme:dark){text{fill:#e6edf3}.quiet{fill:#9198a1}.page{fill:#0d1117;stroke:#3d444d}.grid{stroke:#262c36}.must{stroke:#ff7b72}',
  '.s0{fill:#58a6ff}.s1{fill:#f0883e}.s2{fill:#bc8cff}.s3{fill:#9198a1}',
  '.l0{stroke:#58a6ff}.l1{stroke:#f0883e}.l2{stroke:#bc8cff}.l3{stroke:#9198a1}}',
].join('')
