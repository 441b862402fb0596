/** One original for many jobs: what reads it finds it, whichever job has stored it and whatever became of that one. */
import { copyFile, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { jsonLines } from '../support/cli.ts'
import { freshWorkspace } from '../support/fixture-workspace.ts'

it('jobs of one picture store its original once, and read it when the first job is gone', async () => {
  const { run, folder } = await freshWorkspace()
  const process = async (...args: string[]) =>
    jsonLines((await run('process', ...args, '--json')).stdout).find(({ type }) => type === 'image')!
  await copyFile(join(folder, 'photos/cup.jpg'), join(folder, 'copy.jpg'))
  const first = await process('photos/cup.jpg', '--tag', 'first')
  const copy = await process('copy.jpg', '--size', '30x30')
  expect(copy).toMatchObject({ status: 'completed', originalPath: first.originalPath })

  await run('prune', '--tag', 'first', '--older-than', '0s', '--max-share', '100%', '--yes')
  const derived = await process(copy.jobId, '--from-mask', '--background', 'red')
  expect(derived).toMatchObject({ status: 'completed', originalPath: first.originalPath })
  const found = await run('query', '--json', '--download', 'objects')
  expect(found.status, found.stderr).toBe(0)
  const { downloaded } = JSON.parse(found.stdout)
  expect(downloaded).toHaveLength(6)
  const bytes = await readFile(join(folder, 'photos/cup.jpg'))
  for (const { jobId } of [copy, derived])
    expect(await readFile(join(folder, `objects/original/${jobId}.jpg`))).toEqual(bytes)
  const { store } = JSON.parse((await run('usage', '--json')).stdout)
  expect(store.kinds).toMatchObject({ original: { objects: 1 }, mask: { objects: 2 } })
})
