/**
 * The built program, run by the process of the test: its commands as they are shipped, without the second of CPU that a
 * process takes to start and to load them. What `bin/run.js` adds to this is tested by tests that start it.
 */
import { Console } from 'node:console'
import { Writable } from 'node:stream'
import { pathToFileURL } from 'node:url'
import type { Finished } from './cli.ts'

/** Thrown in the place of `process.exit`. */
class Exited extends Error {
  readonly status: number
  constructor(status: number) {
    super(`exit ${status}`)
    this.status = status
  }
}

let isBusy = false

/** Variables that the program, or a library of it, reads when it is loaded or that change the process itself. */
const ofTheProcess =
  /^(RMBG_FAIL_POINT|RMBG_STOP_POINT|RMBG_LEASE_MS|AWS_SDK_JS_.*)$|^(?!RMBG_|S3_|AWS_|DATABASE_URL$|REDIS_URL$|HF_)/

/** Whether a command with these variables, beside those of every test, can run here. It has the process to itself. */
export const canRunHere = (variables: Record<string, string | undefined>): boolean =>
  !isBusy && Object.keys(variables).every((name) => !ofTheProcess.test(name))

/**
 * Runs a command as `bin/run.js` does.
 *
 * @param env the whole environment
 */
export async function runHere(
  program: string,
  args: readonly string[],
  { cwd, env }: { cwd: string; env: Record<string, string | undefined> },
): Promise<Finished> {
  isBusy = true
  const outputs = { stdout: '', stderr: '' }
  const restore = [
    takeOver(process, 'argv', [process.execPath, program, ...args]),
    takeOver(process, 'exit', (status?: number | string | null) => {
      throw new Exited(Number(status ?? process.exitCode ?? 0))
    }),
    takeOver(process, 'exitCode', undefined),
    takeOver(process.stdout, 'write', writeTo(outputs, 'stdout')),
    takeOver(process.stderr, 'write', writeTo(outputs, 'stderr')),
    takeOver(globalThis, 'console', consoleTo(outputs)),
    ...takeOverEnvironment(env),
  ]
  const before = process.cwd()
  process.chdir(cwd)
  try {
    const status = await statusOf(args, program)
    return { status, stdout: withoutLastNewline(outputs.stdout), stderr: withoutLastNewline(outputs.stderr) }
  } finally {
    process.chdir(before)
    for (const back of restore.reverse()) back()
    isBusy = false
  }
}

/** Loaded when a command runs: a unit test has no use for it, and no build. */
async function loadProgram() {
  const [{ run }, { ExitError }] = await Promise.all([
    import('@oclif/core/run'),
    import('@oclif/core/errors'),
  ])
  const end = new URL('../../dist/terminal/end.js', import.meta.url).href
  const { endWith } = (await import(end)) as typeof import('../../src/terminal/end.ts')
  return { run, ExitError, endWith }
}

async function statusOf(args: readonly string[], program: string): Promise<number> {
  const { run, ExitError, endWith } = await loadProgram()
  try {
    await run([...args], pathToFileURL(program).href)
    return Number(process.exitCode ?? 0)
  } catch (error) {
    if (error instanceof ExitError) return error.oclif.exit ?? 0
    if (error instanceof Exited) return error.status
    try {
      return endWith(error, args)
    } catch (ended) {
      if (ended instanceof Exited) return ended.status
      throw ended
    }
  }
}

type Outputs = Record<'stdout' | 'stderr', string>

function writeTo(outputs: Outputs, name: keyof Outputs): NodeJS.WriteStream['write'] {
  return ((chunk: string | Uint8Array, encodingOrDone?: BufferEncoding | (() => void), done?: () => void) => {
    outputs[name] += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString()
    const written = typeof encodingOrDone === 'function' ? encodingOrDone : done
    if (written) setImmediate(written)
    return true
  }) as NodeJS.WriteStream['write']
}

/** oclif prints by the console, which is Vitest's here. */
function consoleTo(outputs: Outputs): Console {
  const sink = (name: keyof Outputs) =>
    new Writable({
      write: (chunk, _, done) => {
        outputs[name] += chunk
        done()
      },
    })
  return new Console({ stdout: sink('stdout'), stderr: sink('stderr') })
}

/** Sets a property, and returns what sets it back. */
function takeOver<T extends object, K extends keyof T>(object: T, key: K, value: T[K]): () => void {
  const before = object[key]
  object[key] = value
  return () => {
    object[key] = before
  }
}

/** Threads of the program are told that they need no TypeScript. */
function takeOverEnvironment(env: Record<string, string | undefined>): (() => void)[] {
  const wanted: Record<string, string | undefined> = { ...env, TEST_RUNS_BUILT_PROGRAM: 'true' }
  const names = new Set([...Object.keys(process.env), ...Object.keys(wanted)])
  return [...names].map((name) => {
    const before = process.env[name]
    setVariable(name, wanted[name])
    return () => setVariable(name, before)
  })
}

function setVariable(name: string, value: string | undefined): void {
  if (value === undefined) delete process.env[name]
  else process.env[name] = value
}

/** As execa has it. */
const withoutLastNewline = (text: string): string => text.replace(/\r?\n$/, '')
