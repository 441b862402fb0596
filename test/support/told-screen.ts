/** A terminal in which the printers of `rmbg process` are told recorded events, and events to tell. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { BatchEvent, CompletedEvent, FailedEvent, SummaryEvent } from '../../src/process/events.ts'
import { root, temporaryFolder } from './cli.ts'
import { openScreen, type Screen, type ScreenOptions } from './screen.ts'

export type Step = BatchEvent | 'until a key' | 'crash' | 'for ever'

export async function tellOnScreen(
  steps: readonly Step[],
  { options, ...size }: ScreenOptions & { options?: Record<string, unknown> },
): Promise<Screen> {
  const file = join(await temporaryFolder(), 'steps.json')
  await writeFile(file, JSON.stringify({ steps, options }))
  const child = join(root, 'test/support/tell-events.ts')
  return openScreen([process.execPath, '--import', 'tsx', child, file], { cwd: root, ...size })
}

export const startEvent = (images: number, output?: string): BatchEvent => ({
  type: 'start',
  schemaVersion: 1,
  runId: '019a6b7e-0000-7000-8000-000000000000',
  images,
  dryRun: false,
  model: 'silhouette',
  store: '/home/anna/.local/share/rmbg/store',
  database: 'embedded database in /home/anna/.local/share/rmbg/database',
  ...(output !== undefined && { output }),
  concurrency: 3,
  maxMemoryBytes: 4e9,
})

const paths = {
  originalPath: 'original/2026/11/26/1.jpg',
  maskPath: 'mask/1.png',
  processedPath: 'processed/1.png',
}

export const completedEvent = (input: string, ...reasons: string[]): CompletedEvent => ({
  ...{ type: 'image', status: 'completed', input, jobId: 'j', attempt: 1, width: 1200, height: 800 },
  ...{ provider: 'cpu', processingTimeMs: 118, ...paths, review: { reasons } },
  stages: { read: 1, decode: 20, model: 60, composite: 7, encode: 25, store: 3, database: 2 },
  inputBytes: 1000,
  storedBytes: 3000,
})

/** With a local cut-out. */
export const written = (event: CompletedEvent, path: string): CompletedEvent => ({
  ...event,
  output: { path, state: 'written' },
})

export const failedEvent = (input: string): FailedEvent => ({
  ...{ type: 'image', status: 'failed', input, code: 'INPUT_EMPTY' },
  message: 'The file is empty (0 bytes).',
})

export const modelEvent: BatchEvent = { type: 'model', model: 'silhouette', provider: 'cpu' }

export const importantNotice: BatchEvent = {
  type: 'notice',
  code: 'model-chosen',
  important: true,
  message:
    'RMBG-2.0 is not installed: the small built-in model "silhouette" is used, which suits plain backdrops. Get RMBG-2.0 with "rmbg model pull rmbg-2.0".',
}

export const summaryEvent = (of: Partial<SummaryEvent> & { images: number }): SummaryEvent => ({
  ...{ type: 'summary', runId: 'r', completed: of.images, skipped: 0, failed: 0, planned: 0 },
  ...{ ownCutouts: 0, kept: 0, needReview: 0, remaining: 0, interrupted: false },
  ...{ elapsedMs: of.images * 100, imagesPerSecond: 10, failures: [] },
  ...of,
})
