import { describe, expect, it } from 'vitest'
import { latenciesOf, percentiles } from './latency.ts'
import { mustsOf } from './musts.ts'
import { countSpreads, countsIn } from './perf.ts'
import { quickest, rowsOf } from './png.ts'
import type { Results } from './results.ts'
import { spread } from './spread.ts'

describe('percentiles', () => {
  it('are latencies that an image had', () => {
    const ms = Array.from({ length: 200 }, (_, index) => 200 - index)
    expect(percentiles(ms)).toEqual({ p50: 100, p90: 180, p99: 198, images: 200 })
  })

  it('of a few images have the slowest as the last', () => {
    expect(percentiles([3, 1, 2])).toEqual({ p50: 2, p90: 3, p99: 3, images: 3 })
    expect(percentiles([7])).toEqual({ p50: 7, p90: 7, p99: 7, images: 1 })
    expect(percentiles([])).toBeUndefined()
  })
})

describe('the latency of single images', () => {
  const files = ['/a/1.jpg', '/a/2.jpg', '/a/3.jpg', '/a/4.jpg']

  it('is the time from one end to the next where they come one at a time', () => {
    const done = files.map((input, index) => ({ input, atMs: 100 * (index + 1) ** 2 }))
    expect(latenciesOf(files, done, 1)).toEqual([300, 500, 700])
  })

  it('begins when a place comes free, whoever is done first', () => {
    const done = [
      { input: '/a/2.jpg', atMs: 100 },
      { input: '/a/1.jpg', atMs: 110 },
      { input: '/a/4.jpg', atMs: 190 },
      { input: '/a/3.jpg', atMs: 300 },
    ]
    // The third began at 100, and the fourth at 110.
    expect(latenciesOf(files, done, 2)).toEqual([200, 80])
  })

  it('is refused where an image was never done', () => {
    expect(() => latenciesOf(files, [{ input: '/a/1.jpg', atMs: 1 }], 1)).toThrow('/a/2.jpg was never done.')
  })
})

describe('what perf stat writes', () => {
  const head = '# started on Fri Nov 27 02:27:36 2026\n\n'

  it('is read, of a program and of the machine', () => {
    const text = `${head}123456789;;instructions:u;60769901;100.00;;\n12.5;Joules;power/energy-pkg/;1;100.00;;\n`
    expect(countsIn(text)).toEqual({ instructions: 123_456_789, joules: 12.5 })
  })

  it('has no figure where the processor has no counter', () => {
    expect(countsIn(`${head}<not supported>;;instructions:u;0;100.00;;\n`)).toEqual({})
    expect(countsIn(`${head}<not counted>;;instructions:u;0;0.00;;\n`)).toEqual({})
    expect(countsIn('')).toEqual({})
  })

  it('is shared among the images', () => {
    const runs = [4e9, 6e9].map((instructions) => ({ counts: { instructions } }))
    expect(countSpreads(runs, 10)).toEqual({ megaInstructions: spread([400, 600]) })
    expect(countSpreads([{ counts: {} }], 10)).toEqual({})
  })
})

describe('the table of musts', () => {
  const one = (value: number) => spread([value])
  const limit = [
    {
      model: 'light',
      megapixels: 1,
      ofFloor: one(1.3049),
      ofBare: one(0.3),
      peakRssMb: one(381),
      bareMs: one(24),
    },
  ]
  const of = (results: object, part: string) =>
    mustsOf(results as Partial<Results>).filter((must) => must.part === part)

  it('has all of them, measured or not', () => {
    const musts = mustsOf({})
    expect(musts).toHaveLength(21)
    expect(musts.every(({ measured, isReached }) => measured === undefined && isReached === undefined)).toBe(
      true,
    )
  })

  it('judges a figure as it is told', () => {
    expect(of({ limit }, 'limit').filter(({ measured }) => measured)).toMatchObject([
      { must: '≤ 1.3', measured: '1.30', isReached: true },
      { must: '≤ 380 MB', measured: '381 MB', isReached: false },
    ])
  })

  it('asks for less where inference alone leaves no more', () => {
    const row = { fasterThanAtOnce: one(1.2), peerAtOnce: { steadyMs: one(600) }, bareMs: one(460) }
    const transformers = [
      { ...row, model: 'heavy', megapixels: 1 },
      { ...row, model: 'heavy', megapixels: 12, peerAtOnce: { steadyMs: one(1300) } },
    ]
    expect(of({ transformers }, 'transformers').filter(({ measured }) => measured)).toMatchObject([
      { must: '≥ 1.15', isReached: true },
      { must: '≥ 1.5', isReached: false },
    ])
  })

  it('wants masks no worse than the peer has, to three decimals', () => {
    const imgly = (iou: number) => ({
      ...{ model: 'medium', photographs: 12, faster: one(2.5), ours: { peakRssMb: one(1000) } },
      quality: { ours: { iou, mae: 0.0101 }, peer: { iou: 0.95, mae: 0.0104 } },
    })
    const masks = (iou: number) => of({ imgly: imgly(iou) }, 'imgly')[1]
    expect(masks(0.9497)).toMatchObject({ isReached: true })
    expect(masks(0.949)).toMatchObject({ isReached: false })
  })

  it('wants the memory of a re-run flat', () => {
    const rerun = (files: number, mb: number) => ({
      ...{ database: 'PostgreSQL', files, seconds: one(3), peakRssMb: one(mb) },
    })
    const jobs = { jobs: [], reruns: [rerun(10_000, 140), rerun(100_000, 150)] }
    expect(of({ jobs }, 'jobs').slice(1)).toMatchObject([
      { measured: '3.00 s', isReached: true },
      { measured: '1.07', isReached: true },
    ])
  })
})

describe('ways to write a PNG', () => {
  const times = (name: string, cutoutBytes: number, ms: number, mask?: [bytes: number, ms: number]) => ({
    ...{ name, cutoutBytes, cutoutMs: [ms] },
    ...(mask && { maskBytes: mask[0], maskMs: [mask[1]] }),
  })
  const all = [
    times('ours', 90, 30, [10, 1]),
    times('fast', 100, 40),
    times('sharp 1', 140, 50, [30, 2]),
    times('sharp 3', 110, 60, [20, 4]),
    times('sharp 6', 105, 90, [18, 3]),
    times('sharp 6, adaptive filter', 60, 300, [19, 9]),
  ]

  it('are beaten by what makes fewer bytes in less time', () => {
    const pareto = rowsOf(12, all).filter(({ isPareto }) => isPareto)
    expect(pareto.map(({ name }) => name)).toEqual(['ours', 'sharp 6, adaptive filter'])
  })

  it('have a quickest among others whose files are no larger than at level 3', () => {
    expect(quickest(all)).toEqual({ encoder: 'fast', encodeMs: 40 + 3 })
  })
})
