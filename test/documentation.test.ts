/** README and docs against the program: commands, links, settings, exit statuses. Nothing is started. */
import { existsSync } from 'node:fs'
import { cp, readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { execa } from 'execa'
import { describe, expect, it } from 'vitest'
import { presetNames } from '../src/settings/presets.ts'
import { environmentVariable, resolveSettings } from '../src/settings/settings.ts'
import { exitStatus } from '../src/terminal/exit.ts'
import { root, temporaryFolder } from './support/cli.ts'
import { checkCommandsIn } from './support/commands-in-markdown.ts'

const read = (path: string) => readFile(join(root, path), 'utf8')
const pages = [
  ...['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md'],
  ...(await readdir(join(root, 'docs'))).map((name) => `docs/${name}`),
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
  // The changelog also names what is gone.
  it.each(pages.filter((page) => page !== 'CHANGELOG.md'))('%s shows commands that exist', (page) => {
    expect(checkCommandsIn(text(page)).unknown).toEqual([])
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

/** A configuration with an unknown key is refused, with all those that are known. */
async function settingNames(): Promise<string[]> {
  const folder = await temporaryFolder()
  await writeFile(join(folder, 'rmbg.config.json'), '{ "unknown": true }')
  const refusal = await resolveSettings({}, {}, folder).catch((error) => error)
  return /^Known keys: (.*)\.$/.exec(refusal.hint)![1]!.split(', ')
}
