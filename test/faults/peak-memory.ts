import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { root } from '../support/cli.ts'

/** Has a program measure itself: run it with `env`; then `bytes` tells the most memory it ever held. */
export function peakMemory(folder: string) {
  const file = join(folder, 'peak')
  return {
    env: {
      NODE_OPTIONS: `--import ${join(root, 'test/faults/peak-memory.mjs')}`,
      PEAK_MEMORY_FILE: file,
    },
    bytes: async (): Promise<number> => Number(await readFile(file, 'utf8')),
  }
}
