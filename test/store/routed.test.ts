import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { BucketPlan, ObjectStore, ObjectVersions } from '../../src/store/contract.ts'
import { directoryStore } from '../../src/store/directory.ts'
import { routedStore } from '../../src/store/routed.ts'
import { s3Store } from '../../src/store/s3/index.ts'
import { describeWith, freshBucket, s3Endpoint } from '../support/servers.ts'
import { testDriver } from './contract.ts'

describe('a folder for each kind', () => {
  testDriver({
    open: async () => {
      const folder = await mkdtemp(join(tmpdir(), 'rmbg-store-'))
      const open = (name: string) => directoryStore(join(folder, name))
      const store = routedStore({ original: open('a'), mask: open('b'), processed: open('c') })
      return { ...store, close: () => rm(folder, { recursive: true }) }
    },
  })

  it('plans a bucket once that several kinds share', async () => {
    const asked: string[] = []
    const at = (location: string): ObjectStore => ({
      ...directoryStore('/nowhere'),
      location,
      versions: {
        plan: async () => {
          asked.push(location)
          return [{ bucket: location } as BucketPlan]
        },
      } as Partial<ObjectVersions> as ObjectVersions,
    })
    const { versions } = routedStore({ original: at('a'), mask: at('b'), processed: at('a') })
    const plans = await versions!.plan({ archiveAfterDays: 1, archiveClass: 'none', expireAfterDays: 2 })
    expect(plans.map(({ bucket }) => bucket)).toEqual(['a', 'b'])
    expect(asked).toEqual(['a', 'b'])
  })
})

describeWith('RMBG_TEST_S3_ENDPOINT')('a bucket for each kind', () => {
  testDriver({
    open: async () => {
      const open = async () => s3Store({ bucket: (await freshBucket()).bucket, endpoint: s3Endpoint! })
      return routedStore({ original: await open(), mask: await open(), processed: await open() })
    },
  })
})
