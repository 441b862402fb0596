/** What the printers say of a batch, and on which stream. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { BatchEvent, StartEvent } from '../../src/process/events.ts'
import { listeners } from '../../src/terminal/printers/choose.ts'
import { linesPrinter } from '../../src/terminal/printers/lines.ts'
import { ndjsonPrinter } from '../../src/terminal/printers/ndjson.ts'
import { pipedPrinter } from '../../src/terminal/printers/piped.ts'
import type { Printer } from '../../src/terminal/printers/printer.ts'
import { terminalPrinter } from '../../src/terminal/printers/terminal.ts'
import { temporaryFolder } from '../support/cli.ts'

const review = { reasons: [], needsReview: false } as unknown as Extract<
  BatchEvent,
  { status: 'completed' }
>['review']
const paths = { originalPath: 'original/1.jpg', maskPath: 'mask/1.png', processedPath: 'processed/1.png' }
const start: StartEvent = {
  type: 'start',
  schemaVersion: 1,
  runId: 'r',
  images: 3,
  dryRun: false,
  model: 'silhouette',
  store: 'store',
  database: 'database',
  concurrency: 2,
  maxMemoryBytes: 4e9,
}
const completed: BatchEvent = {
  ...{ type: 'image', status: 'completed', input: 'a.jpg', jobId: 'j', attempt: 1, width: 10, height: 10 },
  ...{ provider: 'cpu', processingTimeMs: 5, ...paths, review },
  stages: { read: 0, decode: 1, model: 2, composite: 0, encode: 1, store: 1, database: 0 },
  inputBytes: 1000,
  storedBytes: 3000,
}
const flagged: BatchEvent = {
  ...completed,
  input: 'b.jpg',
  review: { ...review, reasons: ['empty'] },
} as BatchEvent
const failed: BatchEvent = {
  ...{ type: 'image', status: 'failed', input: 'c.jpg', code: 'INPUT_EMPTY', message: 'It is empty.' },
}
const planned: BatchEvent = { type: 'image', status: 'planned', input: 'd.jpg', bytes: 12 }
const notice: BatchEvent = {
  ...{ type: 'notice', code: 'waiting-for-other-run', images: 1, message: 'Waiting.' },
}
const important: BatchEvent = {
  ...{ type: 'notice', code: 'model-chosen', message: 'Mind this.', important: true },
}
const summary: BatchEvent = {
  ...{ type: 'summary', runId: 'r', images: 3, completed: 2, skipped: 0, failed: 1, planned: 0 },
  ...{ ownCutouts: 0, kept: 0 },
  ...{ needReview: 1, remaining: 0, interrupted: false, elapsedMs: 1000, imagesPerSecond: 2 },
  failures: [{ input: 'c.jpg', code: 'INPUT_EMPTY', message: 'It is empty.' }],
}
const run = [
  start,
  { type: 'model', model: 'silhouette', provider: 'cpu' } as const,
  completed,
  flagged,
  failed,
]

let stdout: string
let stderr: string
beforeEach(() => {
  stdout = ''
  stderr = ''
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    stdout += text
    return true
  })
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    stderr += text
    return true
  })
})
afterEach(() => {
  vi.restoreAllMocks()
})

function print(printer: Printer, ...events: BatchEvent[]) {
  for (const event of events) printer(event)
}
const calm = { quiet: false, verbose: false }
const quiet = { quiet: true, verbose: false }

describe('on a terminal', () => {
  it('what was fine is the bar alone; failures and what needs review stay as lines', () => {
    print(terminalPrinter(calm), ...run, notice, summary)
    expect(stderr).toContain('3 images, model silhouette, to store')
    expect(stderr).toContain('silhouette runs on cpu')
    expect(stderr).not.toContain('a.jpg')
    expect(stderr).toContain('completed  b.jpg')
    expect(stderr).toContain('failed     c.jpg  It is empty. [INPUT_EMPTY]')
    expect(stderr).toContain('Waiting.')
    expect(stdout).toContain('2 completed, 0 skipped, 1 failed of 3 in 1.0 s')
    expect(stdout).toContain('1 cut-out needs review.')
  })

  it('--verbose tells every image, and the budget in GB', () => {
    print(terminalPrinter({ quiet: false, verbose: true }), start, completed)
    expect(stderr).toContain('2 images at a time within 4.0 GB')
    expect(stderr).toContain('completed  a.jpg')
  })

  it('--quiet tells failures, important notices and a summary with failures', () => {
    print(terminalPrinter(quiet), start, completed, failed, notice, important, summary)
    expect(stderr).toContain('c.jpg')
    expect(stderr).toContain('Mind this.')
    expect(stderr).not.toMatch(/silhouette|a\.jpg|Waiting/)
    expect(stdout).toContain('1 failed')
  })

  it('--dry-run prints the plan to stdout, without a bar', () => {
    print(terminalPrinter(calm), { ...start, dryRun: true }, planned)
    expect(stdout).toBe('would do   d.jpg  12 bytes\n')
    expect(stderr).toBe('3 images, model silhouette, to store, log in database\n')
  })
})

describe('a local cut-out', () => {
  const skipped = {
    ...{
      type: 'image',
      status: 'skipped',
      input: 'a.jpg',
      reason: 'unchanged',
      jobId: 'j',
      ...paths,
      review: null,
    },
  } as const
  const written = { ...completed, output: { path: '/out/a.png', state: 'written' } } as BatchEvent
  const restored = { ...skipped, output: { path: '/out/a.png', state: 'restored' } } as BatchEvent
  const kept = {
    ...completed,
    output: { path: '/out/a.png', state: 'kept', reason: 'foreign' },
  } as BatchEvent
  const input = { ...skipped, output: { path: '/out/a.png', state: 'kept', reason: 'input' } } as BatchEvent
  const foreseen = {
    ...planned,
    output: { path: '/out/a.png', state: 'kept', reason: 'foreign' },
  } as BatchEvent

  it('is told of, and what was kept in its place has a line of its own', () => {
    print(linesPrinter(calm), start, written, restored, kept, input, { ...summary, kept: 2 } as BatchEvent)
    expect(stdout.split('\n').slice(0, 6)).toEqual([
      'completed  a.jpg -> /out/a.png  5 ms',
      'skipped    a.jpg -> /out/a.png  done before, restored from the store',
      'completed  a.jpg -> processed/1.png  5 ms',
      'kept       /out/a.png: not a cut-out of ours (--overwrite replaces it)',
      'skipped    a.jpg  done before',
      'kept       /out/a.png: one of the inputs, which are never replaced',
    ])
    expect(stdout).toContain('Kept as they are: 2 files in the output folder.')
  })

  it('is told of before anything is done', () => {
    const plan = [
      'skipped    a.jpg -> /out/a.png  done before, would be restored from the store',
      'would do   d.jpg  12 bytes',
      'would keep /out/a.png: not a cut-out of ours (--overwrite replaces it)',
      '',
    ].join('\n')
    for (const printer of [linesPrinter(calm), terminalPrinter(calm)]) {
      stdout = ''
      print(printer, { ...start, dryRun: true } as BatchEvent, restored, foreseen)
      expect(stdout).toBe(plan)
    }
  })

  it('that was kept is a line on a terminal too, but not with --quiet', () => {
    print(terminalPrinter(quiet), start, kept)
    print(linesPrinter(quiet), start, kept)
    expect(stdout + stderr).not.toContain('kept')
    print(terminalPrinter(calm), start, written, restored, kept)
    expect(stderr).toContain('kept       /out/a.png: not a cut-out of ours')
    expect(stderr).not.toMatch(/completed|skipped/)
  })
})

describe('the end', () => {
  const one = { ...summary, images: 1, completed: 1, failed: 0, failures: [], needReview: 0 } as BatchEvent
  const into = (output: string, path: string): BatchEvent[] => [
    { ...start, images: 1, output },
    { ...completed, output: { path, state: 'written' } } as BatchEvent,
  ]
  const end = () => stdout.trimEnd().split('\n').at(-1)

  it('names the file of one cut-out, as a person would type it', () => {
    print(terminalPrinter(calm), ...into('/out', '/out/a.png'), one)
    expect(end()).toBe('The cut-out is /out/a.png')
    const file = join(process.cwd(), 'shop/a.png')
    print(linesPrinter(calm), ...into(file, file), one)
    expect(end()).toBe('The cut-out is shop/a.png')
  })

  it('names the folder of several, whatever was kept there', () => {
    const two = { ...one, images: 2, completed: 2 } as BatchEvent
    const kept = {
      ...completed,
      output: { path: '/out/b.png', state: 'kept', reason: 'foreign' },
    } as BatchEvent
    print(terminalPrinter(calm), ...into('/out', '/out/a.png'), kept, two)
    expect(end()).toBe('The cut-outs are in /out')
    stdout = ''
    print(terminalPrinter(calm), { ...start, output: '/out' }, kept, one)
    expect(end()).toBe('The cut-out is in the store.')
  })

  it('names no place where only masks are', () => {
    const masked = { ...completed, processedPath: null } as BatchEvent
    print(terminalPrinter(calm), start, masked, one)
    expect(stdout).not.toContain('cut-out')
  })
})

it('with --output - every line is on stderr, and says where the picture went', () => {
  const skipped: BatchEvent = {
    ...{ type: 'image', status: 'skipped', input: 'stdin', reason: 'own-cutout', jobId: 'j' },
    ...{ ...paths, review: null },
  }
  print(pipedPrinter(calm), start, { ...completed, input: 'stdin' } as BatchEvent, skipped, summary)
  expect(stderr.split('\n')).toEqual([
    'completed  stdin -> standard output  5 ms',
    'skipped    stdin  a cut-out made by rmbg',
    '',
  ])
  expect(stdout).toBe('')
})

it('what a conversation has said already goes only to the log', async () => {
  const file = join(await temporaryFolder(), 'run.log')
  const listening = await listeners({ ...calm, json: false, 'log-file': file })
  listening.isKnown('model-chosen')
  print(listening.tell, important, notice)
  expect(stderr).toBe('Waiting.\n')
  expect(readFileSync(file, 'utf8')).toContain('Mind this.')
})

it('into a pipe goes a line per image, and nothing else but the summary', () => {
  print(linesPrinter(calm), ...run, notice, summary)
  expect(stdout.split('\n').slice(0, 4)).toEqual([
    'completed  a.jpg -> processed/1.png  5 ms',
    'completed  b.jpg -> processed/1.png  5 ms  [review: empty]',
    'failed     c.jpg  It is empty. [INPUT_EMPTY]',
    '2 completed, 0 skipped, 1 failed of 3 in 1.0 s, 2 images/s',
  ])
  expect(stderr).toContain('Waiting.')
})

it('--json is one event a line; --quiet leaves failures and the summary', () => {
  print(ndjsonPrinter(calm), ...run, summary)
  expect(
    stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).type),
  ).toEqual([...['start', 'model', 'image', 'image', 'image', 'summary']])
  stdout = ''
  print(ndjsonPrinter(quiet), ...run, important, summary)
  expect(
    stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).type),
  ).toEqual(['image', 'summary'])
  expect(stderr).toContain('Mind this.')
})
