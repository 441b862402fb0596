/** The published table is the one the tests walk, and it has every fail point. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { failPoints } from '../../src/fail-point.ts'
import { root } from '../support/cli.ts'
import { killPoints, leftBehind } from './kill-points.ts'

const readme = join(root, 'test/faults/README.md')
const marks = ['<!-- kill points -->\n', '<!-- /kill points -->'] as const

function table(): string {
  const lines = killPoints.map((killPoint) => {
    const { at, command, moment, next, only } = killPoint
    const where = only === undefined ? 'both' : only === 'servers' ? 'servers' : 'folder'
    return `| \`${at}\` | ${command} | ${moment} | ${leftBehind(killPoint)} | ${next} | ${where} |`
  })
  return [
    '| Place | Command | What has just happened | What a kill leaves behind | What the next run does | Tested on |',
    '|---|---|---|---|---|---|',
    ...lines,
    '',
  ].join('\n')
}

// That the source passes each of them, the tests that kill there show.
it('the table has every fail point', () => {
  expect(killPoints.map(({ at }) => at).sort()).toEqual([...failPoints].sort())
})

it('the README prints the table (RMBG_FAULTS=write brings it up to date)', async () => {
  const text = await readFile(readme, 'utf8')
  const [start, end] = [text.indexOf(marks[0]) + marks[0].length, text.indexOf(marks[1])]
  if (process.env.RMBG_FAULTS === 'write') {
    await writeFile(readme, text.slice(0, start) + table() + text.slice(end))
    return
  }
  expect(text.slice(start, end)).toBe(table())
})
