import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { execa, type ResultPromise } from 'execa'
import { onTestFinished } from 'vitest'

export interface Started {
  child: ResultPromise
  pid: number
  /** Lines of its standard output, as they come. */
  lines: AsyncIterator<string>
  /** kill -9, and its end. */
  kill: () => Promise<unknown>
}

/** Starts one of the scripts beside this file in a process of its own, gone at the latest with the test. */
export function startProcess(
  script: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Started {
  const file = fileURLToPath(new URL(script, import.meta.url))
  const child = execa(process.execPath, ['--import', 'tsx', file, ...args], {
    reject: false,
    stderr: 'inherit',
    env,
  })
  const kill = async () => {
    child.kill('SIGKILL')
    await child
  }
  onTestFinished(async () => void (await kill()))
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
  return { child, pid: child.pid!, lines, kill }
}

/** The next line of its output. */
export async function line({ lines }: Started): Promise<string> {
  const { value } = await lines.next()
  return value
}
