/** Every error is one line, and what was meant is told. */
import { CLIError } from '@oclif/core/errors'
import { describe, expect, it, vi } from 'vitest'
import Process from '../../src/commands/process.ts'
import Query from '../../src/commands/query.ts'
import { RmbgError } from '../../src/errors.ts'
import { asksForJson, endWith } from '../../src/terminal/end.ts'
import { errorText, usageError } from '../../src/terminal/error-text.ts'
import { unknownCommand } from '../../src/terminal/unknown-command.ts'

const config = {
  bin: 'rmbg',
  plugins: new Map(),
  runHook: async () => ({ failures: [], successes: [] }),
} as never

/** The line that a command ends with that never gets to work. */
async function lineOf(command: typeof Process | typeof Query, ...argv: string[]): Promise<string> {
  class Failing extends (command as typeof Process) {
    static override id = command === Query ? 'query' : 'process'
    override logToStderr(text = '') {
      throw new Error(text)
    }
    async line(): Promise<string> {
      try {
        await this.run().catch((error) => this.catch(error))
        return 'no error'
      } catch (error) {
        return (error as Error).message
      }
    }
  }
  return new Failing(argv, config).line()
}

describe('a wrong command line', () => {
  it.each([
    [['--outptu', 'x'], 'Unknown flag --outptu. [USAGE] Did you mean --output? See rmbg process --help.'],
    [['--outptu=x'], 'Unknown flag --outptu. [USAGE] Did you mean --output? See rmbg process --help.'],
    [['--conc', '3'], 'Unknown flag --conc. [USAGE] Did you mean --concurrency? See rmbg process --help.'],
    [['--zzzzzzzz'], 'Unknown flag --zzzzzzzz. [USAGE] See rmbg process --help.'],
    [
      ['--jsno', '--verbos'],
      'Unknown flags --jsno, --verbos. [USAGE] Did you mean --json? See rmbg process --help.',
    ],
    [
      ['--concurrency', 'many'],
      '--concurrency: Expected an integer but received: many. [USAGE] See rmbg process --help.',
    ],
    [
      ['--force', '--checksum'],
      '--force cannot also be provided when using --checksum. [USAGE] See rmbg process --help.',
    ],
    [['--model'], 'Flag --model expects a value. [USAGE] See rmbg process --help.'],
  ])('%j ends in one line', async (argv, expected) => {
    expect(await lineOf(Process, ...argv)).toBe(`Error: ${expected}`)
  })

  it('of a flag that has a parser of its own has the sentence of that', async () => {
    expect(await lineOf(Query, '--larger-than', 'big')).toBe(
      'Error: --larger-than expects a size such as 4MB but received "big". [USAGE]',
    )
  })

  it('keeps what oclif says in several lines in one', () => {
    const error = usageError(new CLIError('one\n  two\nSee more help with --help'), {
      command: 'rmbg stats',
      flags: [],
    })
    expect(errorText(error)).toBe('Error: one two. [USAGE] See rmbg stats --help.')
  })
})

describe('an unknown command', () => {
  const known = ['process', 'query', 'stats', 'model list', 'model pull', 'tag add']
  const told = (...words: string[]) => {
    const { message, hint } = unknownCommand(words, {
      known,
      bin: 'rmbg',
      isFile: (path) => path === 'photos',
    })
    return `${message} ${hint}`
  }

  it.each([
    [
      ['proces', 'samples'],
      'There is no command "proces". Did you mean rmbg process? All commands: rmbg --help.',
    ],
    [
      ['model', 'pul', 'x'],
      'There is no command "model pul". Did you mean rmbg model pull? All commands: rmbg --help.',
    ],
    [
      ['modle', 'list'],
      'There is no command "modle". Did you mean rmbg model list? All commands: rmbg --help.',
    ],
    [
      ['photos'],
      'There is no command "photos". Did you mean rmbg process photos? All commands: rmbg --help.',
    ],
    [['frobnicate'], 'There is no command "frobnicate". All commands: rmbg --help.'],
    [['stats', 'today'], 'Unexpected argument "today". See rmbg stats --help.'],
  ])('%j is told with what was meant', (words, expected) => {
    expect(told(...words)).toBe(expected)
  })
})

it('an error of ours has its hint in the same line, and one that is none says how to find out more', () => {
  expect(errorText(new RmbgError('NO_MATCH', 'No image matches x.', { hint: 'Check the spelling.' }))).toBe(
    'Error: No image matches x. [NO_MATCH] Check the spelling.',
  )
  expect(errorText(new TypeError('x is undefined'))).toMatch(/^Error: x is undefined This is unexpected\./)
})

it('JSON is asked for by --json, but not behind --', () => {
  expect(asksForJson(['process', '--json', '--outptu'])).toBe(true)
  expect(asksForJson(['process', '--', '--json'])).toBe(false)
})

it('a defect outside of any command is an error event for programs, and one line for people', async () => {
  const written = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    vi.spyOn(process[name], 'write').mockImplementation((text, ...rest) => {
      written[name] += text
      const done = rest.at(-1)
      if (typeof done === 'function') done()
      return true
    })
  }
  vi.spyOn(process, 'exit').mockImplementation((status) => {
    throw new Error(`status ${status}`)
  })
  try {
    await expect(endWith(new TypeError('x is undefined'), ['process', '--json'])).rejects.toThrow('status 1')
    await expect(endWith(new RmbgError('USAGE', 'No.'), ['process'])).rejects.toThrow('status 2')
  } finally {
    vi.restoreAllMocks()
  }
  expect(JSON.parse(written.stdout)).toEqual({ type: 'error', code: 'UNEXPECTED', message: 'x is undefined' })
  expect(written.stderr).toMatch(/^Error: x is undefined This is unexpected[^\n]*\nError: No\. \[USAGE\]\n$/)
})
