/** What `rmbg backup --configure-bucket` makes of a bucket, and of what servers refuse. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  GetBucketLifecycleConfigurationCommand,
  GetBucketVersioningCommand,
  type LifecycleRule,
  ListMultipartUploadsCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketVersioningCommand,
} from '@aws-sdk/client-s3'
import { afterAll, describe, expect, it, onTestFinished } from 'vitest'
import { s3Client } from '../../../src/store/s3/index.ts'
import { describeRule, portableRule, sameRule } from '../../../src/store/s3/lifecycle.ts'
import { type BucketWish, configureBucket, planBucket } from '../../../src/store/s3/policy.ts'
import { describeWith, freshBucket, s3Endpoint } from '../../support/servers.ts'

const prefixes = ['original/', 'mask/', 'processed/']
const wish: BucketWish = { archiveAfterDays: 30, archiveClass: 'none', expireAfterDays: 90, prefixes }
// The one class that the test server has.
const archiving: BucketWish = { ...wish, archiveClass: 'STANDARD' }
const maskDescribed =
  'mask/: old versions removed after 90 days, left-over delete markers removed, unfinished uploads removed after 7 days'

describeWith('RMBG_TEST_S3_ENDPOINT')('configuring a bucket', () => {
  const client = s3Client({ bucket: 'any', endpoint: s3Endpoint! })
  afterAll(() => client.destroy())

  async function fresh(foreign: LifecycleRule[] = []) {
    const { bucket: Bucket } = await freshBucket()
    const setRules = (Rules: LifecycleRule[]) =>
      client.send(new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: { Rules } }))
    if (foreign.length > 0) await setRules(foreign)
    return {
      options: { bucket: Bucket, endpoint: s3Endpoint! },
      setRules,
      rules: async () => {
        const { Rules } = await client
          .send(new GetBucketLifecycleConfigurationCommand({ Bucket }))
          .catch(() => ({ Rules: [] }))
        return Rules as LifecycleRule[]
      },
      versioning: async () => (await client.send(new GetBucketVersioningCommand({ Bucket }))).Status,
      suspend: () =>
        client.send(
          new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Suspended' } }),
        ),
      uploads: async () => (await client.send(new ListMultipartUploadsCommand({ Bucket }))).Uploads ?? [],
    }
  }

  it('plans without changing anything, applies, and finds nothing left to do', async () => {
    const bucket = await fresh()
    const plan = await planBucket(bucket.options, wish)
    expect(plan).toMatchObject({
      bucket: bucket.options.bucket,
      versioning: { now: 'off', wanted: 'enabled' },
      changes: true,
    })
    expect(plan.rules.map(({ id, now }) => [id, now])).toEqual([
      ['rmbg-original', null],
      ['rmbg-mask', null],
      ['rmbg-processed', null],
    ])
    expect(plan.rules[1]!.wanted).toBe(maskDescribed)
    expect([await bucket.versioning(), await bucket.rules()]).toEqual([undefined, []])
    expect(await configureBucket(bucket.options, wish)).toEqual(plan)
    expect(await bucket.versioning()).toBe('Enabled')
    for (const rule of await bucket.rules()) {
      expect(rule).toMatchObject({ Status: 'Enabled', NoncurrentVersionExpiration: { NoncurrentDays: 90 } })
      expect(rule.Expiration).toEqual({ ExpiredObjectDeleteMarker: true })
      expect(rule.AbortIncompleteMultipartUpload).toEqual({ DaysAfterInitiation: 7 })
      expect(rule.NoncurrentVersionTransitions ?? []).toEqual([])
    }
    for (const again of [planBucket, configureBucket]) {
      const { versioning, rules, changes } = await again(bucket.options, wish)
      expect([versioning.now, changes]).toEqual(['enabled', false])
      expect(rules.every(({ now, wanted }) => now === wanted)).toBe(true)
    }
  })

  it('changes what somebody changed back, and no more', async () => {
    const bucket = await fresh()
    await configureBucket(bucket.options, wish)
    await bucket.suspend()
    const rules = await bucket.rules()
    await bucket.setRules(
      rules.map((rule) => (rule.ID === 'rmbg-mask' ? { ...rule, Expiration: { Days: 3 } } : rule)),
    )
    const plan = await planBucket(bucket.options, wish)
    expect(plan.versioning.now).toBe('suspended')
    expect(plan.rules.filter(({ now, wanted }) => now !== wanted)).toEqual([
      {
        id: 'rmbg-mask',
        now: expect.stringContaining('current versions removed after 3 days'),
        wanted: maskDescribed,
      },
    ])
    await configureBucket(bucket.options, wish)
    expect(await bucket.versioning()).toBe('Enabled')
    expect(await bucket.rules()).toEqual(rules)
  })

  it('keeps the rules of others as they are, in every form a server tells them', async () => {
    const expiry = { NoncurrentVersionExpiration: { NoncurrentDays: 5 } }
    const tags = [
      { Key: 'a', Value: 'b' },
      { Key: 'c', Value: 'd' },
    ]
    const bucket = await fresh([
      { ID: 'off', Status: 'Disabled', Prefix: 'logs/', Expiration: { Days: 3 } },
      {
        ID: 'date',
        Status: 'Enabled',
        Filter: { Prefix: 'd/' },
        Expiration: { Date: new Date('2031-01-01') },
      },
      { ID: 'tag', Status: 'Enabled', Filter: { Tag: tags[0] }, ...expiry },
      { ID: 'one', Status: 'Enabled', Filter: { And: { Prefix: 'x/', Tags: [tags[0]!] } }, ...expiry },
      { ID: 'two', Status: 'Enabled', Filter: { And: { Prefix: 'y/', Tags: tags } }, ...expiry },
      { ID: 'rmbg-of-another', Status: 'Enabled', Filter: { Prefix: 'mask/' }, ...expiry },
    ])
    const before = await bucket.rules()
    await configureBucket(bucket.options, wish)
    await configureBucket(bucket.options, { ...wish, expireAfterDays: 100 })
    const after = await bucket.rules()
    expect(after).toHaveLength(before.length + 3)
    for (const rule of before) {
      const same = after.find(({ ID }) => ID === rule.ID)!
      expect(describeRule(same)).toBe(describeRule(rule))
      expect(sameRule(same, rule), rule.ID!).toBe(true)
    }
  })

  it('moves old versions to a class the server has, and leaves no trace of asking', async () => {
    const bucket = await fresh()
    await configureBucket(bucket.options, archiving)
    for (const rule of await bucket.rules()) {
      expect(rule.NoncurrentVersionTransitions).toEqual([{ NoncurrentDays: 30, StorageClass: 'STANDARD' }])
    }
    expect(await bucket.uploads()).toEqual([])
    expect((await planBucket(bucket.options, archiving)).changes).toBe(false)
    const plan = await configureBucket(bucket.options, wish)
    expect(plan.rules[0]!.now).toContain('old versions to STANDARD after 30 days')
    expect((await bucket.rules()).flatMap((rule) => rule.NoncurrentVersionTransitions ?? [])).toEqual([])
  })

  it('names a class the server does not have, and changes nothing', async () => {
    const bucket = await fresh()
    await expect(configureBucket(bucket.options, { ...wish, archiveClass: 'GLACIER' })).rejects.toMatchObject(
      {
        code: 'STORE_DENIED',
        message: expect.stringMatching(/refused to move old versions to the storage class GLACIER/),
        hint: expect.stringContaining('--archive-class'),
      },
    )
    expect([await bucket.versioning(), await bucket.rules()]).toEqual([undefined, []])
  })

  it('says that a bucket is not there', async () => {
    const options = { bucket: 'rmbg-no-such-bucket', endpoint: s3Endpoint! }
    for (const action of [planBucket, configureBucket]) {
      await expect(action(options, wish)).rejects.toMatchObject({
        code: 'STORE_DENIED',
        message: expect.stringContaining('does not exist'),
      })
    }
  })
})

describe('a bucket on a server that', () => {
  type Answers = Record<string, [status: number, code: string]>
  const emptyBucket: Answers = { 'GET lifecycle': [404, 'NoSuchLifecycleConfiguration'] }

  /** Fails the requests that are named, by method and query; the others succeed and change nothing. */
  async function configureWhere(failing: Answers, wanted: BucketWish = wish): Promise<string> {
    const asked: string[] = []
    const server = createServer((request, answer) => {
      const { searchParams } = new URL(request.url!, 'http://any')
      const what = ['versioning', 'lifecycle', 'uploads'].find((name) => searchParams.has(name))
      asked.push(`${request.method} ${what}`)
      const failure = { ...emptyBucket, ...failing }[`${request.method} ${what}`]
      request.resume().on('end', () => {
        answer.writeHead(failure?.[0] ?? 200, { 'content-type': 'application/xml' })
        answer.end(
          failure ? `<Error><Code>${failure[1]}</Code><Message>It says so.</Message></Error>` : '<Answer/>',
        )
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const said = await configureBucket({ bucket: 'any', endpoint }, wanted).then(
      () => 'configured',
      ({ code, message, hint }) => `${code}: ${message} ${hint}`,
    )
    // Versions that nothing removes would pile up.
    if (failing['PUT lifecycle']) expect(asked).not.toContain('PUT versioning')
    return said
  }

  it('refuses the class is asked for another', async () => {
    const refusing: Answers = {
      'POST uploads': [400, 'InvalidStorageClass'],
      'PUT lifecycle': [400, 'MalformedXML'],
    }
    expect(await configureWhere(refusing, { ...wish, archiveClass: 'COLDER' })).toMatch(
      /^STORE_DENIED: s3:\/\/any .* refused .* storage class COLDER \(MalformedXML: It says so\)\. Name one it knows/,
    )
  })

  it('has no lifecycle rules is named', async () => {
    for (const request of ['GET lifecycle', 'PUT lifecycle']) {
      expect(await configureWhere({ [request]: [501, 'NotImplemented'] })).toMatch(
        /^STORE_DENIED: .* refused .*lifecycle rules.* \(NotImplemented/,
      )
    }
  })

  it('has no versioning is named', async () => {
    expect(
      await configureWhere({
        'GET versioning': [501, 'NotImplemented'],
        'PUT versioning': [501, 'NotImplemented'],
      }),
    ).toMatch(/^STORE_DENIED: .* refused to turn on versioning \(NotImplemented/)
  })

  it('denies access is asked for the rights that are missing', async () => {
    expect(await configureWhere({ 'PUT lifecycle': [403, 'AccessDenied'] })).toMatch(
      /^STORE_DENIED: .* denied access\. The key needs .*s3:PutLifecycleConfiguration/,
    )
  })

  it('takes rules and forgets them is not trusted', async () => {
    expect(await configureWhere({})).toMatch(
      /^STORE_DENIED: .* did not keep these lifecycle rules as given: rmbg-original, rmbg-mask, rmbg-processed\./,
    )
  })
})

describe('a wish', () => {
  it.each([
    { expireAfterDays: 30, archiveClass: 'GLACIER' },
    { expireAfterDays: 0 },
    { expireAfterDays: 1.5 },
    { archiveAfterDays: Number.NaN, archiveClass: 'GLACIER' },
  ])('cannot be %j', async (wrong) => {
    // No server is asked.
    const options = { bucket: 'any', endpoint: 'http://127.0.0.1:9' }
    for (const action of [planBucket, configureBucket]) {
      await expect(action(options, { ...wish, ...wrong })).rejects.toMatchObject({ code: 'USAGE' })
    }
  })
})

describe('a lifecycle rule', () => {
  const rule = (parts: Partial<LifecycleRule>): LifecycleRule => ({ ID: 'a', Status: 'Enabled', ...parts })

  it('is put in the form that every server takes', () => {
    const Tag = { Key: 'k', Value: 'v' }
    for (const [told, Filter] of [
      [{ Prefix: 'x/' }, { Prefix: 'x/' }],
      [{ Prefix: '' }, { Prefix: '' }],
      [{ Filter: {} }, { Prefix: '' }],
      [{ Filter: { Tag } }, { Tag }],
      [{ Filter: { ObjectSizeGreaterThan: 5 } }, { ObjectSizeGreaterThan: 5 }],
      [{ Filter: { Prefix: 'x/', Tag } }, { And: { Prefix: 'x/', Tags: [Tag] } }],
      [{ Filter: { Prefix: 'x/', And: { Tags: [Tag, Tag] } } }, { And: { Prefix: 'x/', Tags: [Tag, Tag] } }],
      [
        { Filter: { And: { Prefix: 'x/', ObjectSizeLessThan: 5 } } },
        { And: { Prefix: 'x/', ObjectSizeLessThan: 5 } },
      ],
    ] as [Partial<LifecycleRule>, LifecycleRule['Filter']][]) {
      expect(portableRule(rule(told))).toEqual(rule({ Filter }))
    }
  })

  it('is told in one line', () => {
    const Filter = { And: { Prefix: 'x/', Tags: [{ Key: 'k', Value: 'v' }] } }
    expect(
      describeRule({
        ID: 'a',
        Status: 'Disabled',
        Filter,
        Transitions: [{ Days: 1, StorageClass: 'GLACIER' }],
        NoncurrentVersionExpiration: { NoncurrentDays: 9, NewerNoncurrentVersions: 2 },
        Expiration: { Date: new Date('2031-01-01') },
      }),
    ).toBe(
      'x/ with certain tags or sizes: old versions removed after 9 days but for the newest 2, ' +
        'current versions to GLACIER after 1 day, current versions removed on 2031-01-01 (disabled)',
    )
    expect(describeRule(rule({}))).toBe('all keys: nothing')
  })
})
