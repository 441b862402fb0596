import { readdir } from 'node:fs/promises'
import { afterEach, expect, it, vi } from 'vitest'
import { inBatches, longList } from '../../src/upkeep/long-list.ts'
import { temporaryFolder } from '../support/cli.ts'

afterEach(() => vi.unstubAllEnvs())

const all = async <T>(values: AsyncIterable<T>): Promise<T[]> => {
  const list: T[] = []
  for await (const value of values) list.push(value)
  return list
}

it.each([10, 1e6])('a long list gives back what was added, with %i characters in memory', async (size) => {
  const folder = await temporaryFolder()
  vi.stubEnv('TMPDIR', folder)
  const list = longList<{ key: string }>({ memoryCharacters: size })
  const values = Array.from({ length: 1000 }, (_, index) => ({ key: `${index} \n\u2028 ü “💧”` }))
  for (const value of values) await list.add(value)
  expect(await all(list.values())).toEqual(values)
  expect(await all(list.values()), 'a second time').toEqual(values)
  expect(await readdir(folder), 'the file has no name').toEqual([])
  await list.close()
  await list.close()
})

it('a long list says where it found no room', async () => {
  vi.stubEnv('TMPDIR', '/nowhere')
  const list = longList<string>({ memoryCharacters: 1 })
  await expect(list.add('x')).rejects.toMatchObject({
    code: 'REFUSED',
    hint: expect.stringContaining('TMPDIR'),
  })
})

it('batches hold so many values, the last one the rest', async () => {
  const numbers = async function* () {
    yield* [1, 2, 3, 4, 5]
  }
  expect(await all(inBatches(numbers(), 2))).toEqual([[1, 2], [3, 4], [5]])
})
