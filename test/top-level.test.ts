import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { execa } from 'execa'
import { expect, it } from 'vitest'
import { root } from './support/cli.ts'

const meant = [
  ...['bin', 'src', 'test', 'migrations', 'docs', 'samples', 'training', 'deploy', '.ci', '.github'],
  ...['README.md', 'ARCHITECTURE.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md', 'LICENSE'],
  ...['package.json', 'package-lock.json', 'oclif.manifest.json', 'action.yml'],
  ...['tsconfig.json', 'tsconfig.test.json', 'biome.json', 'vitest.config.ts'],
  ...['.editorconfig', '.gitignore', '.npmrc', '.nvmrc'],
]

// A profile of V8 that was left at the top has been committed before.
it.skipIf(!existsSync(join(root, '.git')))('the top level holds what is meant to be there', async () => {
  const { stdout } = await execa('git', ['ls-files'], { cwd: root })
  const found = new Set(stdout.split('\n').map((path) => path.split('/')[0]))
  expect([...found].sort()).toEqual(meant.sort())
})
