/** What `rmbg bucket` makes of a bucket, and of what servers refuse. */
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
import { afterAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import type { BucketChanges, BucketPlan, Retention } from '../../../src/store/contract.ts'
import { type S3Options, s3Client, s3Store } from '../../../src/store/s3/index.ts'
import { describeRule, portableRule, sameRule } from '../../../src/store/s3/lifecycle.ts'
import { describeWith, freshBucket, s3Endpoint } from '../../support/servers.ts'

const wish: Retention = { archiveAfterDays: 30, archiveClass: 'none', expireAfterDays: 90 }
// The one class that the test server has.
const archiving: Retention = { ...wish, archiveClass: 'STANDARD' }
const maskDescribed =
  'mask/: old versions removed after 90 days, left-over delete markers removed, unfinished uploads removed after 7 days'

async function planBucket(options: S3Options, retention: Retention): Promise<BucketPlan> {
  const store = s3Store(options)
  onTestFinished(() => store.close())
  const [plan] = await store.versions!.plan(retention)
  return plan!
}

const configureBucket = async (options: S3Options, retention: Retention): Promise<BucketChanges> =>
  (await planBucket(options, retention)).execute()

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
    expect(await plan.execute()).toEqual({
      bucket: bucket.options.bucket,
      versioningEnabled: true,
      rulesSet: ['rmbg-original', 'rmbg-mask', 'rmbg-processed'],
    })
    expect(await bucket.versioning()).toBe('Enabled')
    for (const rule of await bucket.rules()) {
      expect(rule).toMatchObject({ Status: 'Enabled', NoncurrentVersionExpiration: { NoncurrentDays: 90 } })
      expect(rule.Expiration).toEqual({ ExpiredObjectDeleteMarker: true })
      expect(rule.AbortIncompleteMultipartUpload).toEqual({ DaysAfterInitiation: 7 })
      expect(rule.NoncurrentVersionTransitions ?? []).toEqual([])
    }
    const again = await planBucket(bucket.options, wish)
    expect([again.versioning.now, again.changes]).toEqual(['enabled', false])
    expect(again.rules.every(({ now, wanted }) => now === wanted)).toBe(true)
    const { bucket: name } = bucket.options
    expect(await again.execute()).toEqual({ bucket: name, versioningEnabled: false, rulesSet: [] })
  })

  it('executes the plan that was shown, or nothing if the bucket changed meanwhile', async () => {
    const expiry = { NoncurrentVersionExpiration: { NoncurrentDays: 3650 } }
    const mask: LifecycleRule = {
      ...{ ID: 'rmbg-mask', Status: 'Enabled' as const, Filter: { Prefix: 'mask/' } },
      ...expiry,
    }
    const foreign: LifecycleRule = { ...mask, ID: 'theirs', Filter: { Prefix: 'logs/' } }
    for (const meanwhile of [[mask], [foreign]]) {
      const bucket = await fresh()
      const plan = await planBucket(bucket.options, wish)
      expect(plan.rules.map(({ now }) => now)).toEqual([null, null, null])
      await bucket.setRules(meanwhile)
      const before = await bucket.rules()
      await expect(plan.execute()).rejects.toMatchObject({
        code: 'REFUSED',
        message: expect.stringContaining(`s3://${bucket.options.bucket}`),
      })
      expect([await bucket.versioning(), await bucket.rules()]).toEqual([undefined, before])
    }
    const bucket = await fresh()
    const plan = await planBucket(bucket.options, wish)
    await bucket.suspend()
    await expect(plan.execute()).rejects.toMatchObject({ code: 'REFUSED' })
    expect([await bucket.versioning(), await bucket.rules()]).toEqual(['Suspended', []])
  })

  it('executes a plan once: the second time the bucket is no longer as planned', async () => {
    const bucket = await fresh()
    const plan = await planBucket(bucket.options, wish)
    await plan.execute()
    await expect(plan.execute()).rejects.toMatchObject({ code: 'REFUSED' })
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
    expect(await plan.execute()).toMatchObject({ versioningEnabled: true, rulesSet: ['rmbg-mask'] })
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
    const plan = await planBucket(bucket.options, wish)
    await plan.execute()
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
  /** By method and query: an error, or the body of a success. */
  type Answers = Record<string, [status: number, code: string] | string>
  const emptyBucket: Answers = { 'GET lifecycle': [404, 'NoSuchLifecycleConfiguration'] }

  /**
   * Requests that are not named succeed and change nothing.
   *
   * @param later answers that differ from the second time on
   */
  async function configureWhere(
    answers: Answers,
    { wanted = wish, later = {} }: { wanted?: Retention; later?: Answers } = {},
  ): Promise<string> {
    // The SDK signs no request without credentials; the server here does not look at them.
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'any')
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'any')
    onTestFinished(() => void vi.unstubAllEnvs())
    const asked: string[] = []
    const server = createServer((request, answer) => {
      const { searchParams } = new URL(request.url!, 'http://any')
      const what = `${request.method} ${['versioning', 'lifecycle', 'uploads'].find((name) => searchParams.has(name))}`
      const given = { ...emptyBucket, ...answers, ...(asked.includes(what) && later) }[what] ?? '<Answer/>'
      asked.push(what)
      const [status, body] =
        typeof given === 'string'
          ? [200, given]
          : [given[0], `<Error><Code>${given[1]}</Code><Message>It says so.</Message></Error>`]
      request
        .resume()
        .on('end', () => answer.writeHead(status, { 'content-type': 'application/xml' }).end(body))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const said = await configureBucket({ bucket: 'any', endpoint }, wanted).then(
      () => 'configured',
      ({ code, message, hint }) => `${code}: ${message} ${hint}`,
    )
    // Versions that nothing removes would pile up.
    if (answers['PUT lifecycle']) expect(asked).not.toContain('PUT versioning')
    if (said.startsWith('REFUSED')) expect(asked.filter((what) => !what.startsWith('GET'))).toEqual([])
    return said
  }

  it('is changed after it was planned with stays as it is', async () => {
    const rule =
      '<LifecycleConfiguration><Rule><ID>theirs</ID><Status>Enabled</Status><Filter><Prefix>x/</Prefix></Filter>' +
      '<Expiration><Days>3</Days></Expiration></Rule></LifecycleConfiguration>'
    const on = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>'
    for (const later of [{ 'GET lifecycle': rule }, { 'GET versioning': on }] as Answers[]) {
      expect(await configureWhere({}, { later })).toMatch(
        /^REFUSED: The settings of s3:\/\/any at .* changed after the plan was made\./,
      )
    }
  })

  it('refuses the class is asked for another', async () => {
    const refusing: Answers = {
      'POST uploads': [400, 'InvalidStorageClass'],
      'PUT lifecycle': [400, 'MalformedXML'],
    }
    expect(await configureWhere(refusing, { wanted: { ...wish, archiveClass: 'COLDER' } })).toMatch(
      /^STORE_DENIED: s3:\/\/any .* refused .* storage class COLDER \(MalformedXML: It says so\)\. Choose a class it has/,
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
