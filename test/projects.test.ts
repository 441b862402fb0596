import fastGlob from 'fast-glob'
import { expect, it, onTestFinished } from 'vitest'
import { createVitest } from 'vitest/node'
import { root } from './support/cli.ts'

it('every test file belongs to exactly one project', async () => {
  const vitest = await createVitest('test', { root, watch: false, reporters: [] })
  onTestFinished(() => vitest.close())
  const found = await Promise.all(vitest.projects.map((project) => project.globTestFiles()))
  const gathered = found.flatMap(({ testFiles }) => testFiles)
  const files = await fastGlob('**/*.{test,spec}.[jt]s', {
    cwd: root,
    absolute: true,
    ignore: ['**/node_modules/**', 'dist/**', 'reports/**'],
  })
  expect(vitest.projects.map(({ name }) => name)).toEqual(['unit', 'integration', 'faults'])
  expect(gathered.sort()).toEqual(files.sort())
})
