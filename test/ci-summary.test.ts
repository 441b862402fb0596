/** What .ci/run says at its end. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { expect, it } from 'vitest'
import { root, temporaryFolder } from './support/cli.ts'

it('a test that passed only when tried again is named, and one that is meant to fail is not', async () => {
  const folder = await temporaryFolder()
  const [file, report] = [join(folder, 'a.test.ts'), join(folder, 'report.json')]
  await writeFile(file, "it.fails('white on white', () => {})\nit('by chance', () => {})\n")
  const passed = (title: string) => ({
    ...{ title, fullName: `a ${title}`, status: 'passed', failureMessages: ['AssertionError'] },
  })
  const assertionResults = [passed('white on white'), passed('by chance')]
  await writeFile(report, JSON.stringify({ testResults: [{ name: file, assertionResults }] }))
  const { stdout } = await execa(process.execPath, [join(root, '.ci/summary.js'), 'lint', '', '0', report])
  expect(stdout).toContain('a.test.ts: a by chance')
  expect(stdout).not.toContain('white on white')
  expect(stdout).toContain('3 passed, 0 failed')
})
