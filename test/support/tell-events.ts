/**
 * Tells recorded events to the printers of `rmbg process`, as a run would. Started in a terminal with the name of a JSON
 * file. Of the clock, each image takes 100 ms.
 */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { listeners } from '../../src/terminal/printers/choose.ts'
import type { Step } from './told-screen.ts'

let clock = 0
performance.now = () => clock

const { steps, options } = JSON.parse(readFileSync(process.argv[2]!, 'utf8'))
const { tell } = await listeners({ quiet: false, verbose: false, json: false, ...options })
for (const step of steps as Step[]) {
  if (step === 'until a key') await key()
  else if (step === 'crash') throw new Error('This run met a defect.')
  else if (step === 'for ever') await new Promise(() => {})
  else {
    if (step.type === 'image') clock += 100
    tell(step)
  }
}

process.exit()

async function key(): Promise<void> {
  process.stdin.setRawMode(true)
  process.stdin.resume()
  await once(process.stdin, 'data')
  process.stdin.setRawMode(false)
  process.stdin.pause()
}
