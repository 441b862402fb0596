/** README and docs against the program: commands, links, settings, exit statuses. Nothing is started. */
import { existsSync } from 'node:fs'
import { cp, readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { Parser } from '@oclif/core'
import type { Command } from '@oclif/core/command'
import * as Flags from '@oclif/core/flags'
import { execa } from 'execa'
import { describe, expect, it } from 'vitest'
import { readDescription } from '../src/model/shelf/description.ts'
import { loadPreset, presetNames } from '../src/settings/presets.ts'
import { environmentVariable, resolveSettings } from '../src/settings/settings.ts'
import { exitStatus } from '../src/terminal/exit.ts'
import { guardSuffix } from '../src/terminal/output-flags.ts'
import { root, temporaryFolder } from './support/cli.ts'
import { callsIn, checkCommandsIn, codeIn } from './support/commands-in-markdown.ts'

const read = (path: string) => readFile(join(root, path), 'utf8')
const pages = [
  ...['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md'],
  ...(await readdir(join(root, 'docs'))).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`),
]
const texts = new Map(await Promise.all(pages.map(async (page) => [page, await read(page)] as const)))
const text = (page: string) => texts.get(page) ?? ''

/** As forges make the anchor of a heading. */
const anchorOf = (heading: string) =>
  heading
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-')
const anchorsOf = (markdown: string) =>
  [...markdown.replace(/^```[\s\S]*?^```/gm, '').matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    anchorOf(heading),
  )

/** Cells of the tables of a page, row by row. */
const rowsOf = (markdown: string) =>
  markdown
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) => line.split('|').map((cell) => cell.trim()))
/** The words in code font of a cell. */
const codes = (cell = '') => [...cell.matchAll(/`([^`]+)`/g)].map(([, code]) => code)

describe('the documentation', () => {
  // The changelog also names what is gone, and the commands' page is made from their help.
  const written = pages.filter((page) => !['CHANGELOG.md', 'docs/commands.md'].includes(page))

  it.each(written)('%s shows commands that exist', (page) => {
    expect(checkCommandsIn(text(page)).unknown).toEqual([])
  })

  it.each(written)('%s shows commands whose flags and arguments go together', async (page) => {
    for (const call of codeIn(fencedIn(text(page)).join('\n')).flatMap(callsIn)) await parse(call)
  })

  it('shows a preset, a configuration and a model description that are accepted', async () => {
    const folder = await temporaryFolder()
    const write = async (name: string, page: string) => {
      const [json = ''] = fencedIn(text(page)).filter((block) => block.startsWith('```json'))
      await writeFile(join(folder, name), json.replace(/^```.*\n|\n```$/g, ''))
    }
    await write('preset.json', 'docs/cut-outs.md')
    await expect(loadPreset(join(folder, 'preset.json'))).resolves.toMatchObject({ title: 'Our shop' })
    await write('rmbg.config.json', 'docs/settings.md')
    await expect(resolveSettings({}, {}, folder)).resolves.toMatchObject({
      concurrency: 4,
      tag: ['catalogue'],
    })
    await write('model.json', 'docs/models.md')
    await expect(readDescription(join(folder, 'model.json'))).resolves.toMatchObject({ activation: 'none' })
  })

  it.each(pages)('%s links to what is there', async (page) => {
    const broken: string[] = []
    const prose = text(page).replace(/^```[\s\S]*?^```/gm, '')
    for (const [, target = ''] of prose.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target)) continue
      const [path = '', anchor] = target.split('#')
      const file = path === '' ? join(root, page) : resolve(root, dirname(page), path)
      const isThere = existsSync(file)
      const hasAnchor = !anchor || (isThere && anchorsOf(await readFile(file, 'utf8')).includes(anchor))
      if (!isThere || !hasAnchor) broken.push(target)
    }
    expect(broken).toEqual([])
  })

  it('has an index of all its pages', () => {
    const others = pages.filter((page) => page.startsWith('docs/') && page !== 'docs/README.md')
    for (const page of others) {
      expect(text('docs/README.md')).toContain(`(${page.slice('docs/'.length)})`)
      expect(text('README.md')).toContain(`(${page})`)
    }
  })

  it('describes every command as its help does (npm run manifest brings it up to date)', async () => {
    const page = join(await temporaryFolder(), 'commands.md')
    await cp(join(root, 'docs/commands.md'), page)
    const args = ['readme', '--readme-path', page, '--no-source-links']
    await execa(join(root, 'node_modules/.bin/oclif'), args, { cwd: root, env: { COLUMNS: undefined } })
    expect(text('docs/commands.md')).toBe(await readFile(page, 'utf8'))
  })

  it('lists every exit status once', () => {
    const listed = rowsOf(text('docs/ci.md')).flatMap(([, first = '']) =>
      /^\d+$/.test(first) ? Number(first) : [],
    )
    expect(listed.sort((a, b) => a - b)).toEqual(Object.values(exitStatus).sort((a, b) => a - b))
  })

  it('lists every setting once, with its variable and its flags', async () => {
    const { commands } = JSON.parse(await read('oclif.manifest.json'))
    const flags = Object.values<{ flags: Record<string, { description?: string; allowNo?: boolean }> }>(
      commands,
    ).flatMap((command) => Object.entries(command.flags))
    const flagsOf = (variable: string) => [
      ...new Set(
        flags
          .filter(([, { description }]) => description?.includes(`[env: ${variable}]`))
          .flatMap(([name, { allowNo }]) => [`--${name}`, ...(allowNo ? [`--no-${name}`] : [])]),
      ),
    ]
    const expected = (await settingNames()).map((name) => {
      const variable = environmentVariable(name as never)
      return { name, flags: flagsOf(variable), variable }
    })
    const listed = rowsOf(text('docs/settings.md'))
      .filter((cells) => cells.length === 6 && codes(cells[1]).length === 1)
      .map(([, name, shown, variable]) => ({
        name: codes(name)[0],
        flags: codes(shown),
        variable: codes(variable)[0],
      }))
    const byName = (a: { name?: string | undefined }, b: { name?: string | undefined }) =>
      (a.name ?? '') < (b.name ?? '') ? -1 : 1
    expect(listed.sort(byName)).toEqual(expected.sort(byName))
  })

  it('names every preset that ships', async () => {
    for (const name of await presetNames()) expect(text('docs/cut-outs.md')).toContain(`\`${name}\``)
  })

  it('has a README of at most 150 lines', () => {
    expect(text('README.md').split('\n').length).toBeLessThanOrEqual(150)
  })
})

/** Fenced blocks, with their fences. */
function fencedIn(markdown: string): string[] {
  return [...markdown.matchAll(/^```.*\n[\s\S]*?^```$/gm)].map(([block]) => block)
}

/** Parses a call as the program would, and runs nothing. */
async function parse(call: readonly string[]): Promise<void> {
  const words = call.map((word) => word.replace(/^(['"])(.*)\1$/, '$2'))
  const topics = [words.slice(0, 2), words.slice(0, 1)]
  const files = topics.flatMap((topic) => [`${topic.join('/')}.ts`, `${topic.join('/')}/index.ts`])
  const index = files.findIndex((path) => existsSync(join(root, 'src/commands', path)))
  expect(index, call.join(' ')).not.toBe(-1)
  const { default: command }: { default: typeof Command } = await import(
    join(root, 'src/commands', files[index]!)
  )
  const { args, flags, baseFlags, strict, enableJsonFlag } = command
  const parsing = Parser.parse(guardSuffix(words.slice(index < 2 ? 2 : 1)), {
    args,
    strict,
    flags: { ...baseFlags, ...flags, ...(enableJsonFlag && { json: Flags.boolean() }) },
  })
  await expect(parsing, call.join(' ')).resolves.toBeDefined()
}

/** A configuration with an unknown key is refused, with all those that are known. */
async function settingNames(): Promise<string[]> {
  const folder = await temporaryFolder()
  await writeFile(join(folder, 'rmbg.config.json'), '{ "unknown": true }')
  const refusal = await resolveSettings({}, {}, folder).catch((error) => error)
  return /^Known keys: (.*)\.$/.exec(refusal.hint)![1]!.split(', ')
}
