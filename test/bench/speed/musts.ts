/** What has to be reached, next to what was measured. */
import { type PartName, partNames, type Results } from './results.ts'
import { figure } from './spread.ts'

export interface Must {
  /** Where it is measured. */
  part: PartName
  what: string
  must: string
  /** Absent: not measured. */
  measured?: string
  isReached?: boolean
}

/** Masks count as equal where IoU and MAE are, to so many decimals. */
const decimals = 3
/** Memory counts as flat that is at most so many times that of a tenth of the files. */
const flat = 1.1

interface Limit {
  atMost?: number
  atLeast?: number
  unit?: string
}

function must(part: PartName, what: string, limit: Limit, value: number | undefined): Must {
  const { atMost, atLeast, unit = '' } = limit
  const limits = [
    ...(atMost === undefined ? [] : [`≤ ${atMost}${unit}`]),
    ...(atLeast === undefined ? [] : [`≥ ${atLeast}${unit}`]),
  ]
  return {
    ...{ part, what, must: limits.join(', ') },
    ...(value !== undefined && {
      measured: `${figure(value)}${unit}`,
      // As it is told, so that nobody sees 1.30 missing 1.3.
      isReached: Number(figure(value)) <= (atMost ?? Infinity) && Number(figure(value)) >= (atLeast ?? 0),
    }),
  }
}

/**
 * All of them, whether they were measured or not.
 *
 * @param results of one run, or of several
 */
export const mustsOf = (results: Partial<Results>): Must[] => {
  const all = [limitMusts, transformersMusts, imglyMusts, memoryMusts, firstMusts, jobsMusts].flatMap((of) =>
    of(results),
  )
  return all.toSorted((a, b) => partNames.indexOf(a.part) - partNames.indexOf(b.part))
}

function limitMusts({ limit }: Partial<Results>): Must[] {
  const row = (model: string, megapixels: number) =>
    limit?.find((each) => each.model === model && each.megapixels === megapixels)
  return [
    must('limit', 'light, 1 megapixel: times the floor', { atMost: 1.3 }, row('light', 1)?.ofFloor.median),
    must('limit', 'light, 12 megapixels: times the floor', { atMost: 1.3 }, row('light', 12)?.ofFloor.median),
    must('limit', 'heavy, 1 megapixel: of bare inference', { atLeast: 0.9 }, row('heavy', 1)?.ofBare.median),
    must(
      'limit',
      'heavy, 12 megapixels: of bare inference',
      { atLeast: 0.62 },
      row('heavy', 12)?.ofBare.median,
    ),
    must(
      'limit',
      'light, 1 megapixel: peak memory, embedded database',
      { atMost: 380, unit: ' MB' },
      row('light', 1)?.peakRssMb.median,
    ),
  ]
}

function transformersMusts({ transformers, limit }: Partial<Results>): Must[] {
  const [usual, least] = [1.5, 1.15]
  return ['light', 'heavy'].flatMap((model) =>
    [1, 12, 24].map((megapixels) => {
      const row = transformers?.find((each) => each.model === model && each.megapixels === megapixels)
      const bareMs = row?.bareMs ?? limit?.find((each) => each.model === model)?.bareMs
      // Were all but inference free, the peer would be beaten by this much.
      const inferenceLeaves = row && bareMs ? row.peerAtOnce.steadyMs.median / bareMs.median : Infinity
      return must(
        'transformers',
        `${model}, ${megapixels} megapixel${megapixels === 1 ? '' : 's'}: times as fast as transformers.js, several at once`,
        { atLeast: inferenceLeaves < usual ? least : usual },
        row?.fasterThanAtOnce.median,
      )
    }),
  )
}

function imglyMusts({ imgly }: Partial<Results>): Must[] {
  const of = imgly ? `, ${imgly.photographs} photographs` : ''
  const ours = imgly?.quality?.ours
  const peer = imgly?.quality?.peer
  const told = (value: number) => value.toFixed(decimals)
  return [
    must(
      'imgly',
      `ISNet ${imgly?.model ?? 'medium'}${of}: times as fast as @imgly/background-removal-node`,
      { atLeast: 2.3 },
      imgly?.faster.median,
    ),
    {
      ...{ part: 'imgly', what: 'the same: masks against references', must: 'IoU and MAE at least as good' },
      ...(ours &&
        peer && {
          measured: `IoU ${told(ours.iou)} for ${told(peer.iou)}, MAE ${told(ours.mae)} for ${told(peer.mae)}`,
          isReached: told(ours.iou) >= told(peer.iou) && told(ours.mae) <= told(peer.mae),
        }),
    },
    must('imgly', 'the same: peak memory', { atMost: 1300, unit: ' MB' }, imgly?.ours.peakRssMb.median),
  ]
}

function memoryMusts({ memory }: Partial<Results>): Must[] {
  const long = memory?.runs.find(
    ({ megapixels, maxMemory, images }) => megapixels === 1 && maxMemory === undefined && images >= 1000,
  )
  return [
    must(
      'memory',
      'light, 1 megapixel: peak memory, with a server',
      { atMost: 250, unit: ' MB' },
      memory?.onServer?.peakMb,
    ),
    must(
      'memory',
      `${(long?.images ?? 2000).toLocaleString('en')} images: growth of memory per 1,000`,
      { atMost: 2, unit: ' MB' },
      long?.growthMb,
    ),
  ]
}

function firstMusts({ first }: Partial<Results>): Must[] {
  const cpu = (what: string) => first?.find((row) => row.what === what)?.cpuSeconds.median
  return [
    must('first', 'first image, new home: CPU time', { atMost: 2.5, unit: ' s' }, cpu('a new home')),
    must('first', 'first image, used home: CPU time', { atMost: 1.5, unit: ' s' }, cpu('a used home')),
  ]
}

function jobsMusts({ jobs }: Partial<Results>): Must[] {
  const sixteen = jobs?.jobs.find(
    ({ database, store, concurrency }) => database === 'PostgreSQL' && store === 'S3' && concurrency === 16,
  )
  const rerun = (files: number) =>
    jobs?.reruns.find((row) => row.database === 'PostgreSQL' && row.files === files)
  const [few, many] = [rerun(10_000), rerun(100_000)]
  return [
    must(
      'jobs',
      'jobs a second without inference, PostgreSQL and S3, 16 at once',
      { atLeast: 250 },
      sixteen?.jobsPerSecond.median,
    ),
    must('jobs', 're-run over 100,000 finished files', { atMost: 4, unit: ' s' }, many?.seconds.median),
    must(
      'jobs',
      'the same: memory, times that of 10,000 files',
      { atMost: flat },
      few && many && many.peakRssMb.median / few.peakRssMb.median,
    ),
  ]
}
