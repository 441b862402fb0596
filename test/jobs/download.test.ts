import { readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, expect, it } from 'vitest'
import { findJobs, type Job } from '../../src/database/query.ts'
import { downloadJobs, type Fetched, linksOf } from '../../src/jobs/download.ts'
import type { ObjectKind } from '../../src/store/contract.ts'
import { objectKinds } from '../../src/store/contract.ts'
import { directoryStore } from '../../src/store/directory.ts'
import { onBothDatabases } from '../database/databases.ts'
import { temporaryFolder } from '../support/cli.ts'
import { makeJob } from '../support/jobs.ts'

onBothDatabases('objects of jobs', (database) => {
  let folder: string
  let storeFolder: string
  beforeEach(async () => {
    folder = await temporaryFolder()
    storeFolder = await temporaryFolder()
  })
  const store = () => directoryStore(storeFolder)
  const jobs = async (count: number): Promise<Job[]> => {
    const ids: string[] = []
    for (let index = 0; index < count; index++) ids.push(await makeJob(database().sql, { store: store() }))
    return findJobs(database().sql, ids)
  }
  const download = (list: readonly Job[], kinds: readonly ObjectKind[] = objectKinds) => {
    const told: Fetched[] = []
    const onObject = (fetched: Fetched) => told.push(fetched)
    return downloadJobs(store(), list, { folder, kinds, onObject }).then((fetched) => ({ fetched, told }))
  }

  it('have a link each, those of jobs that are not completed have none', async () => {
    const [job] = await jobs(1)
    expect(await linksOf(store(), job!, 60)).toEqual({
      originalUrl: expect.stringContaining(`/${job!.originalPath}`),
      maskUrl: expect.stringContaining(`/${job!.maskPath}`),
      processedUrl: expect.stringContaining(`/${job!.processedPath}`),
    })
    const [failed] = await findJobs(database().sql, [await makeJob(database().sql, { status: 'failed' })])
    expect(await linksOf(store(), failed!, 60)).toEqual({})
    expect((await download([failed!])).fetched).toEqual([])
  })

  it('come into a folder for each kind, in the order of jobs and kinds', async () => {
    const list = await jobs(4)
    const { fetched, told } = await download(list, ['original', 'mask'])
    expect(fetched.map(({ key }) => key)).toEqual(
      list.flatMap(({ originalPath, maskPath }) => [originalPath, maskPath]),
    )
    expect(told).toHaveLength(8)
    for (const each of fetched) {
      if ('error' in each) throw each.error
      expect(each.path).toBe(join(folder, each.key.split('/')[0]!, each.key.split('/').at(-1)!))
      expect(await readFile(each.path)).toEqual(await readFile(join(storeFolder, each.key)))
    }
  })

  it('that are there with the right content are not written again; others are replaced', async () => {
    const [job] = await jobs(1)
    const [first, second] = (await download([job!], ['mask', 'original'])).fetched
    if (!first || !second || 'error' in first || 'error' in second) throw new TypeError('Expected two files')
    const { mtimeMs } = await stat(first.path)
    await writeFile(second.path, 'something else')
    await download([job!], ['mask', 'original'])
    expect((await stat(first.path)).mtimeMs).toBe(mtimeMs)
    expect(await readFile(second.path)).toEqual(await readFile(join(storeFolder, second.key)))
  })

  it('that are missing or damaged keep no other from coming', async () => {
    const list = await jobs(2)
    await rm(join(storeFolder, list[0]!.maskPath!))
    await writeFile(join(storeFolder, list[1]!.maskPath!), 'damaged')
    const { fetched } = await download(list)
    const failures = fetched.flatMap((each) =>
      'error' in each ? { key: each.key, code: each.error.code } : [],
    )
    expect(failures).toEqual([
      { key: list[0]!.maskPath, code: 'STORE_OBJECT_MISSING' },
      { key: list[1]!.maskPath, code: 'STORE_OBJECT_DAMAGED' },
    ])
    expect(fetched.filter((each) => 'path' in each)).toHaveLength(4)
  })

  it('stop coming where none can be written', async () => {
    const list = await jobs(1)
    await writeFile(join(folder, 'mask'), 'a file where a folder has to be')
    await expect(download(list, ['mask'])).rejects.toMatchObject({ code: 'OUTPUT_UNWRITABLE' })
  })
})
