import { lstat, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, expect, it } from 'vitest'
import { findJobs, type Job } from '../../src/database/query.ts'
import { judge } from '../../src/database/verdicts.ts'
import { chooseVersion } from '../../src/database/versions.ts'
import { type DownloadChoice, downloadJobs, type Fetched, withLinks } from '../../src/jobs/download.ts'
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
  const places = () => ({ store: store(), inputBucket: () => Promise.reject(new Error('there are none')) })
  const jobs = async (count: number): Promise<Job[]> => {
    const ids: string[] = []
    for (let index = 0; index < count; index++) ids.push(await makeJob(database().sql, { store: store() }))
    return findJobs(database().sql, ids)
  }
  const download = async (
    list: readonly Job[],
    kinds: readonly ObjectKind[] = objectKinds,
    overwrite = false,
  ) => {
    const told: Fetched[] = []
    const onObject = (fetched: Fetched) => told.push(fetched)
    return { ...(await downloadJobs(places(), list, { folder, kinds, overwrite, onObject })), told }
  }
  /** Called by the job alone, whichever attempt made the object. */
  const fileOf = (key: string) => join(folder, key.replace(/\/.*\//, '/').replace(/-\d+\./, '.'))

  it('have a link each, those of jobs that are not completed have none', async () => {
    const [job] = await jobs(1)
    const [failed] = await findJobs(database().sql, [await makeJob(database().sql, { status: 'failed' })])
    expect(await withLinks(places(), [job!, failed!], 60)).toEqual([
      {
        ...job,
        originalUrl: expect.stringContaining(`/${job!.originalPath}`),
        maskUrl: expect.stringContaining(`/${job!.maskPath}`),
        processedUrl: expect.stringContaining(`/${job!.processedPath}`),
      },
      failed,
    ])
    expect(await download([failed!])).toEqual({ downloaded: [], told: [] })
  })

  it('that were rejected or done again come only where they are asked for', async () => {
    const { sql } = database()
    const [rejected, old, current] = await jobs(3)
    await judge(sql, [{ jobId: rejected!.jobId, verdict: 'rejected', by: 'anna' }])
    await chooseVersion(sql, { of: old!.jobId, jobId: current!.jobId, how: 'redo', by: 'anna' })
    const found = await findJobs(
      sql,
      [rejected, old, current].map((job) => job!.jobId),
    )
    const fetched = (choice: DownloadChoice) =>
      downloadJobs(places(), found, {
        folder,
        kinds: ['mask'],
        overwrite: false,
        onObject: () => {},
        ...choice,
      })
    const files = (...list: (Job | undefined)[]) => list.map((job) => fileOf(job!.maskPath!)).sort()
    const usual = await fetched({})
    expect(usual.downloaded).toEqual(files(current))
    expect(usual.leftOut).toHaveLength(2)
    expect((await fetched({ rejectedToo: true })).downloaded.sort()).toEqual(files(rejected, current))
    expect((await fetched({ byId: true })).downloaded.sort()).toEqual(files(rejected, old, current))
  })

  it('come into a folder for each kind, in the order of jobs and kinds', async () => {
    const list = await jobs(4)
    const { downloaded, told } = await download(list, ['original', 'mask'])
    const keys = list.flatMap(({ originalPath, maskPath }) => [originalPath!, maskPath!])
    expect(downloaded).toEqual(keys.map(fileOf))
    expect(told).toHaveLength(8)
    for (const key of keys) {
      expect(await readFile(fileOf(key))).toEqual(await readFile(join(storeFolder, key)))
    }
  })

  it('have the names of their jobs, whatever attempt made them and before attempts had keys of their own', async () => {
    const { sql } = database()
    const ids = [
      await makeJob(sql, { attempt: 12, store: store() }),
      await makeJob(sql, { hasOldKeys: true, store: store() }),
    ]
    const { downloaded } = await download(await findJobs(sql, ids), ['mask'])
    expect(downloaded.sort()).toEqual(ids.map((id) => join(folder, 'mask', `${id}.png`)).sort())
  })

  it('that are there with the right content are not written again', async () => {
    const [job] = await jobs(1)
    await download([job!], ['mask'])
    const mask = fileOf(job!.maskPath!)
    const { mtimeMs } = await stat(mask)
    expect(await download([job!], ['mask'])).toMatchObject({ downloaded: [mask] })
    expect((await stat(mask)).mtimeMs).toBe(mtimeMs)
  })

  it.each<[string, (path: string) => Promise<unknown>]>([
    ['a file that holds something else', (path) => writeFile(path, 'something else')],
    ['an empty file', (path) => writeFile(path, '')],
    ['a link', (path) => symlink('elsewhere', path)],
  ])('leave %s in their place, unless it is to be replaced', async (_, make) => {
    const [job] = await jobs(1)
    await download([job!], ['mask'])
    const [mask, original] = [fileOf(job!.maskPath!), fileOf(job!.originalPath!)]
    await mkdir(join(folder, 'original'))
    await make(original)
    const before = await lstat(original)
    const { told, ...result } = await download([job!], ['mask', 'original'])
    expect(result).toEqual({ downloaded: [mask], kept: [original] })
    expect(told).toContainEqual({ key: job!.originalPath, kept: original })
    expect((await lstat(original)).mtimeMs).toBe(before.mtimeMs)
    expect((await lstat(original)).ino).toBe(before.ino)
    expect(await download([job!], ['original'], true)).toMatchObject({ downloaded: [original] })
    expect(await readFile(original)).toEqual(await readFile(join(storeFolder, job!.originalPath!)))
    expect(await readdir(join(folder, 'original'))).toHaveLength(1)
  })

  it('that were not kept are told of, and are no failure', async () => {
    const id = await makeJob(database().sql, { store: store(), kept: ['mask'] })
    const [job] = await findJobs(database().sql, [id])
    expect(job).toMatchObject({ kept: ['mask'], originalPath: null, processedPath: null })
    const { downloaded, notKept, failed, told } = await download([job!])
    expect(downloaded).toEqual([fileOf(job!.maskPath!)])
    expect(notKept).toEqual(['original', 'processed'].map((kind) => ({ jobId: id, kind })))
    expect(failed).toBeUndefined()
    expect(told).toContainEqual({ notKept: 'original', jobId: id })
    expect(Object.keys((await withLinks(places(), [job!], 60))[0]!)).toContain('maskUrl')
    expect(Object.keys((await withLinks(places(), [job!], 60))[0]!)).not.toContain('originalUrl')
  })

  it('that are missing or damaged keep no other from coming', async () => {
    const list = await jobs(2)
    await rm(join(storeFolder, list[0]!.maskPath!))
    await writeFile(join(storeFolder, list[1]!.maskPath!), 'damaged')
    const { downloaded, failed } = await download(list)
    expect(failed).toEqual([
      { key: list[0]!.maskPath, code: 'STORE_OBJECT_MISSING', message: expect.any(String) },
      { key: list[1]!.maskPath, code: 'STORE_OBJECT_DAMAGED', message: expect.any(String) },
    ])
    expect(downloaded).toHaveLength(4)
  })

  it('stop coming where none can be written', async () => {
    const list = await jobs(1)
    await writeFile(join(folder, 'mask'), 'a file where a folder has to be')
    await expect(download(list, ['mask'])).rejects.toMatchObject({ code: 'OUTPUT_UNWRITABLE' })
  })
})
