/** The scripts that complete command lines, asked by the shells themselves. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { describe, expect, it } from 'vitest'
import { bashCompletion } from '../../src/terminal/completion/bash.ts'
import { fishCompletion } from '../../src/terminal/completion/fish.ts'
import { completedCommands } from '../../src/terminal/completion/words.ts'
import { zshCompletion } from '../../src/terminal/completion/zsh.ts'
import { temporaryFolder } from '../support/cli.ts'

const flag = (name: string, more: object = {}) => ({
  name,
  type: 'option',
  description: `the ${name}`,
  ...more,
})
const commands = completedCommands([
  {
    ...{ id: 'process', summary: 'Remove it, said [anna]\'s "mug".', args: { inputs: {} } },
    flags: {
      output: flag('output', { char: 'o' }),
      device: flag('device', { char: 'd', options: ['auto', 'cpu', 'cuda'] }),
      refine: { name: 'refine', type: 'boolean', allowNo: true, description: 'refine it [env: X]' },
      secret: flag('secret', { hidden: true }),
    },
  },
  { id: 'prune', summary: 'Delete.', args: {}, flags: {} },
  { id: 'backup', summary: 'Back up.', args: {}, flags: { json: { name: 'json', type: 'boolean' } } },
  { id: 'backup:list', summary: 'List them.', args: {}, flags: { to: flag('to') } },
  { id: 'backup:verify', summary: 'Verify one.', args: { id: {} }, flags: {} },
  { id: 'model:pull', summary: 'Get it.', args: { name: {} }, flags: { from: flag('from') } },
] as never)

const hasShell = async (name: string) => (await execa(name, ['--version'], { reject: false })).exitCode === 0

describe('bash', () => {
  /** What bash offers when somebody has typed these words. */
  async function offered(...words: string[]): Promise<string[]> {
    const script = join(await temporaryFolder(), 'rmbg')
    await writeFile(script, bashCompletion(commands))
    const ask = `source ${script}; COMP_WORDS=(rmbg "$@"); COMP_CWORD=$#; _rmbg; printf '%s\\n' "\${COMPREPLY[@]}"`
    const { stdout } = await execa('bash', ['--norc', '-c', ask, 'bash', ...words])
    return stdout.split('\n').filter(Boolean)
  }

  it.each([
    [['pr'], ['process', 'prune']],
    [[''], ['backup', 'model', 'process', 'prune']],
    [
      ['backup', ''],
      ['list', 'verify'],
    ],
    [
      ['backup', '--'],
      ['--json', '--help'],
    ],
    [
      ['backup', 'list', '--'],
      ['--to', '--help'],
    ],
    [['model', 'p'], ['pull']],
    [
      ['process', '--'],
      ['--output', '--device', '--refine', '--no-refine', '--help'],
    ],
    [['process', 'a.jpg', '--ref'], ['--refine']],
    [
      ['process', '--device', ''],
      ['auto', 'cpu', 'cuda'],
    ],
    [
      ['process', '-d', 'c'],
      ['cpu', 'cuda'],
    ],
    [['process', '--device', '=', 'cu'], ['cuda']],
    // Files, by bash itself.
    [['process', 'pho'], []],
    [['process', '--output', ''], []],
    [['nonsense', '--'], []],
  ])('%j is completed to %j', async (words, expected) => {
    expect(await offered(...words)).toEqual(expected)
  })
})

it.skipIf(!(await hasShell('zsh')))('zsh accepts its script', async () => {
  const script = join(await temporaryFolder(), '_rmbg')
  await writeFile(script, zshCompletion(commands))
  await execa('zsh', ['-n', script])
})

it.skipIf(!(await hasShell('fish')))('fish offers what can be typed', async () => {
  const script = join(await temporaryFolder(), 'rmbg.fish')
  await writeFile(script, fishCompletion(commands))
  const offered = async (line: string) => {
    const { stdout } = await execa('fish', ['--no-config', '-c', `source ${script}; complete -C '${line}'`])
    return stdout.split('\n').map((row) => row.split('\t')[0])
  }
  expect(await offered('rmbg pr')).toEqual(['process', 'prune'])
  expect(await offered('rmbg backup ')).toEqual(['list', 'verify'])
  expect(await offered('rmbg process --device c')).toEqual(['cpu', 'cuda'])
})

it('every script names what it offers, and quotes what summaries hold', () => {
  expect(zshCompletion(commands)).toContain(`'process:Remove it, said [anna]'\\''s "mug"'`)
  expect(fishCompletion(commands)).toContain(`-a process -d 'Remove it, said [anna]\\'s "mug"'`)
  for (const script of [zshCompletion(commands), fishCompletion(commands), bashCompletion(commands)])
    expect(script).not.toContain('secret')
})
