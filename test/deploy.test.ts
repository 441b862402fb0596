/** What is in deploy/ and action.yml fits the program and its documentation. Nothing is started. */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { root } from './support/cli.ts'

const read = (path: string) => readFile(join(root, path), 'utf8')

describe('the compose file', async () => {
  const text = await read('deploy/compose.yaml')

  it('sets variables that rmbg reads', async () => {
    const settings = await read('docs/settings.md')
    const { services } = parse(text, { merge: true })
    const variables = Object.keys(services.rmbg.environment)
    expect(variables.length).toBeGreaterThan(5)
    for (const variable of variables) expect(settings).toContain(variable)
  })

  it('asks for variables that env.example names', async () => {
    const named = [...(await read('deploy/env.example')).matchAll(/^#?([A-Z_]+)=/gm)].map(([, name]) => name)
    const asked = [...text.matchAll(/(?<!\$)\$\{([A-Z_]+)/g)].map(([, name]) => name)
    expect([...new Set(asked)].sort()).toEqual(named.sort())
  })
})

describe('the container image', () => {
  it('gets all that the package is packed from, and no more', async () => {
    const allowed = (await read('deploy/Dockerfile.dockerignore'))
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1))
    const { files } = JSON.parse(await read('package.json'))
    const needed = [...files.filter((path: string) => path !== 'dist'), 'package-lock.json', '.npmrc']
    for (const path of [...needed, 'tsconfig.json'])
      expect(
        allowed.some((each) => path === each || path.startsWith(`${each}/`)),
        path,
      ).toBe(true)
    for (const path of allowed) expect(existsSync(join(root, path)), path).toBe(true)
  })
})

describe('the GitHub Action', async () => {
  const action = parse(await read('action.yml'))

  it('has the inputs and outputs that are documented', async () => {
    const page = (await read('docs/install.md')).split('## GitHub Action')[1]!
    const rows = [...page.matchAll(/^\| `([\w-]+)` \|.*\| (?:`(.*)`)? ?\|$/gm)]
    expect(rows.map(([, name, fallback]) => [name, fallback ?? ''])).toEqual(
      Object.entries<{ default?: string }>(action.inputs).map(([name, input]) => [name, input.default ?? '']),
    )
    const [outputs = ''] = /^Outputs: .*$/m.exec(page) ?? []
    expect([...outputs.matchAll(/`([a-z-]+)`/g)].map(([, name]) => name)).toEqual(Object.keys(action.outputs))
  })
})
