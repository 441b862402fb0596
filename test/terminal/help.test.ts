/** What every command says of itself, and how every error is put. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from '@oclif/core/command'
import { describe, expect, it } from 'vitest'
import { root } from '../support/cli.ts'

const maxClassLines = 90
const source = join(root, 'src')
const files = (await readdir(source, { recursive: true })).filter((file) => file.endsWith('.ts'))
const texts = await Promise.all(
  files.map(async (file) => ({ file, text: await readFile(join(source, file), 'utf8') })),
)
const commands = await Promise.all(
  texts
    .filter(({ file }) => file.startsWith('commands/'))
    .map(async ({ file, text }) => {
      const { default: command } = (await import(join(source, file))) as { default: typeof Command }
      return { name: file.slice('commands/'.length, -'.ts'.length), command, text }
    }),
)

describe.each(commands)('rmbg $name', ({ command, text }) => {
  const { summary, description, flags = {}, args = {} } = command
  const described = Object.entries({ ...flags, ...args }).map(([name, option]) => ({ ...option, name }))

  it('says in a sentence what it does', () => {
    expect(summary).toMatch(/^[A-Z].*\.$/)
  })

  it('describes every flag and argument', () => {
    expect(described.filter((option) => !option.description).map(({ name }) => name)).toEqual([])
  })

  it('has no flag that makes another command of it', () => {
    const all = [summary, description, ...described.map((option) => option.description)]
    expect(all.filter((help) => help?.startsWith('instead:'))).toEqual([])
  })

  it('spells as its flags do', () => {
    const all = [summary, description, ...described.map((option) => option.description)].join('\n')
    expect(all).not.toMatch(/colour|licence|centred|honour/i)
  })

  it(`is a class of ${maxClassLines} lines at most`, () => {
    const lines = /^export default class [\s\S]*?^}/m.exec(text)?.[0].split('\n') ?? []
    expect(lines.length).toBeGreaterThan(5)
    expect(lines.length).toBeLessThanOrEqual(maxClassLines)
  })
})

/** String and template literals of each `new RmbgError(…)`, without their quotes. */
function literalsOfErrors(text: string): string[] {
  return text.split('new RmbgError(').slice(1).flatMap(literalsOfCall)
}

/** @param rest of a file, from behind the bracket that opens the call */
function literalsOfCall(rest: string): string[] {
  const literals: string[] = []
  const tokens = rest.matchAll(/'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`(?:\\.|[^`\\])*`|[()]/g)
  let depth = 1
  for (const [token] of tokens) {
    if (token === '(') depth++
    else if (token === ')') depth--
    else literals.push(token.slice(1, -1))
    if (depth === 0) break
  }
  return literals
}

it('no error is a question', () => {
  expect(literalsOfErrors("new RmbgError('USAGE', `Which (of) them?`, { hint: 'x' }) + 'Really?'")).toEqual([
    'USAGE',
    'Which (of) them?',
    'x',
  ])
  const questions = texts.flatMap(({ file, text }) =>
    literalsOfErrors(text)
      .filter((literal) => literal.endsWith('?'))
      .map((literal) => `${file}: ${literal}`),
  )
  expect(questions).toEqual([])
})
