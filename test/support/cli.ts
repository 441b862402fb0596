import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa, type Options, type Result, type ResultPromise } from 'execa'
import { onTestFinished } from 'vitest'
import { refuseInUnitTests } from './projects.ts'

export const root = fileURLToPath(new URL('../../', import.meta.url))
export const program = join(root, 'bin/run.js')

/** The environment without anything that would connect a test to somebody's real data. */
export function cleanEnvironment(): NodeJS.ProcessEnv {
  const ours = /^(RMBG_|S3_|AWS_|DATABASE_|REDIS_URL$|PG|FORCE_COLOR$|NODE_OPTIONS$|VITEST|NODE_ENV$)/
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !ours.test(name)))
}

export interface Finished {
  status: number | undefined
  stdout: string
  stderr: string
}

/** Most tests run for a second or two: to compile the WebAssembly of the embedded database twice would only cost time. */
const quickStart = ['--liftoff-only']

type CliOptions = Omit<Options, 'env'> & { env?: Record<string, string | undefined> }

/** Starts the built program; `await finished(...)` for the end of it. */
export function start(args: readonly string[], options: CliOptions = {}): ResultPromise {
  refuseInUnitTests('the built program')
  return execa(process.execPath, [...quickStart, program, ...args], {
    reject: false,
    extendEnv: false,
    stdin: 'ignore',
    ...options,
    env: { ...cleanEnvironment(), NO_COLOR: '1', ...options.env } as Record<string, string>,
  } as Options) as ResultPromise
}

export async function finished(run: ResultPromise): Promise<Finished> {
  const { exitCode, stdout, stderr } = (await run) as Result
  return { status: exitCode, stdout: String(stdout), stderr: String(stderr) }
}

/** Runs the built program as a user would and waits for it. */
export const rmbg = (args: readonly string[], options: CliOptions = {}): Promise<Finished> =>
  finished(start(args, options))

/** Does something while a `process --json` runs, once so many images are completed, and waits for its end. */
export async function finishedAfter(
  run: ResultPromise,
  completed: number,
  meanwhile: () => Promise<unknown>,
): Promise<Finished> {
  await new Promise<void>((resolve, reject) => {
    let seen = 0
    run.stdout!.on('data', (text: Buffer) => {
      seen += text.toString().split('"status":"completed"').length - 1
      if (seen >= completed) resolve()
    })
    run.stdout!.once('end', () => reject(new Error(`It ended after ${seen} images.`)))
  })
  await meanwhile()
  return finished(run)
}

/** A folder of its own for one test, removed afterwards. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'rmbg-test-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }))
  return folder
}

// biome-ignore lint/suspicious/noExplicitAny: tests look into whatever the program printed
export const jsonLines = (stdout: string): Record<string, any>[] =>
  stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
