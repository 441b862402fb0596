// Runs `rmbg process`. It fails no step: the last one does that, when report and artifacts are there.
import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readEvents, setOutputs } from './outputs.mjs'

const { IMAGES = '', OUTPUT, RMBG_MODEL, FLAGS = '', RUNNER_TEMP } = process.env
const program = fileURLToPath(new URL('../../bin/run.js', import.meta.url))
const lines = (text) =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')

const images = lines(IMAGES)
if (images.length === 0) {
  console.log('::error::The input "images" names nothing.')
  process.exit(2)
}
const args = [
  'process',
  '--json',
  '--output',
  OUTPUT,
  '--model',
  RMBG_MODEL,
  ...lines(FLAGS),
  '--',
  ...images,
]
const events = join(RUNNER_TEMP, `rmbg-events-${randomUUID()}.ndjson`)
const file = openSync(events, 'w')
// Messages may hold the names of files, and such a name could be made to look like a command to the runner.
const token = randomUUID()
console.log(`::stop-commands::${token}`)
const { status, error } = spawnSync(process.execPath, [program, ...args], {
  stdio: ['ignore', file, 'inherit'],
})
console.log(`::${token}::`)
closeSync(file)
if (error) throw error

const summary = readEvents(events).find(({ type }) => type === 'summary')
setOutputs({
  events,
  status: status ?? 1,
  completed: summary?.completed ?? 0,
  skipped: summary?.skipped ?? 0,
  failed: summary?.failed ?? 0,
  'needs-review': summary?.needReview ?? 0,
})
