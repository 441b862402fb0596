import { describe, expect, it, vi } from 'vitest'
import { parseNotification } from '../../src/notifications/parse.ts'
import { confirmSubscription } from '../../src/notifications/subscription.ts'

const record = (eventSource: string, eventName: string, key: string) => ({
  ...{ eventVersion: '2.2', eventSource, awsRegion: '', eventTime: '2026-11-26T19:30:32.081472Z', eventName },
  s3: { bucket: { name: 'shop' }, object: { key, size: 1, eTag: 'abc', sequencer: 'D8' } },
})
const parsed = (body: unknown) => parseNotification(JSON.stringify(body))
const keys = (body: unknown) => {
  const notification = parsed(body)
  return 'objects' in notification ? notification.objects.map((object) => object.keys) : notification
}

describe('a notification of a bucket', () => {
  it('names keys as each server writes them', () => {
    const encoded = 'in/a+b%2Bc+%C3%BC.jpg'
    expect(keys({ Records: [record('aws:s3', 'ObjectCreated:Put', encoded)] })).toEqual([['in/a b+c ü.jpg']])
    expect(keys({ Records: [record('aws:s3', 'ObjectCreated:Put', 'in/100%.jpg')] })).toEqual([
      ['in/100%.jpg'],
    ])
    // A key may be called like the encoding of another one.
    expect(keys({ Records: [record('ceph:s3', 'ObjectCreated:Put', 'a%20b.jpg')] })).toEqual([
      ['a%20b.jpg', 'a b.jpg'],
    ])
    expect(keys({ Records: [record('minio:s3', 's3:ObjectCreated:Copy', 'a%2Fb.jpg')] })).toEqual([
      ['a/b.jpg', 'a%2Fb.jpg'],
    ])
  })

  it('is wrapped by SNS, or comes from EventBridge', () => {
    const Message = JSON.stringify({ Records: [record('aws:s3', 'ObjectCreated:Post', 'a.jpg')] })
    expect(keys({ Type: 'Notification', MessageId: '1', TopicArn: 'arn', Message })).toEqual([['a.jpg']])
    const event = {
      ...{ version: '0', source: 'aws.s3', 'detail-type': 'Object Created' },
      detail: { bucket: { name: 'shop' }, object: { key: 'a+b.jpg', etag: 'e' }, reason: 'PutObject' },
    }
    expect(keys(event)).toEqual([['a+b.jpg']])
    expect(keys([event, event])).toEqual([['a+b.jpg'], ['a+b.jpg']])
    expect(parsed({ Type: 'SubscriptionConfirmation', SubscribeURL: 'https://x' })).toEqual({
      confirm: 'https://x',
    })
  })

  it('is of no interest where nothing was made', () => {
    expect(
      parsed({
        Records: [
          record('aws:s3', 'ObjectRemoved:Delete', 'a.jpg'),
          record('aws:s3', 'ObjectCreated:Put', 'b.jpg'),
          { eventName: 'ObjectCreated:Put' },
          'text',
        ],
      }),
    ).toEqual({ objects: [{ bucket: 'shop', keys: ['b.jpg'] }], ignored: 3 })
    const none = { objects: [], ignored: 1 }
    expect(parsed({ Service: 'Amazon S3', Event: 's3:TestEvent', Bucket: 'shop' })).toEqual(none)
    expect(parsed({ source: 'aws.ec2', 'detail-type': 'Something', detail: {} })).toEqual(none)
    expect(parsed({ Type: 'UnsubscribeConfirmation' })).toEqual(none)
  })

  it.each(['', 'text', '{}', '[]', 'null', '{"Type":"Notification","Message":"text"}', '{"Records":1}'])(
    'is not %j',
    (text) => expect(() => parseNotification(text)).toThrow('no event notification'),
  )
})

describe('a subscription of SNS', () => {
  const asked = vi.fn(async () => new Response('<ok/>'))

  it('is confirmed where SNS says', async () => {
    await confirmSubscription(
      'https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&Token=1',
      asked,
    )
    expect(asked).toHaveBeenCalledOnce()
    const failing = async () => new Response('', { status: 403 })
    await expect(confirmSubscription('https://sns.eu-central-1.amazonaws.com/', failing)).rejects.toThrow(
      'HTTP 403',
    )
  })

  it.each([
    'http://sns.eu-central-1.amazonaws.com/',
    'https://sns.eu-central-1.amazonaws.com.evil.example/',
    'https://evil.example/sns.eu-central-1.amazonaws.com',
    'https://sns.eu-central-1.amazonaws.com@evil.example/',
    'https://sns.eu-central-1.amazonaws.com:8443/',
    'https://s3.eu-central-1.amazonaws.com/bucket/key',
    'https://169.254.169.254/latest/meta-data',
    'file:///etc/passwd',
    'text',
  ])('is never confirmed at %s', async (address) => {
    const never = vi.fn(async () => new Response(''))
    await expect(confirmSubscription(address, never)).rejects.toMatchObject({ code: 'REFUSED' })
    expect(never).not.toHaveBeenCalled()
  })
})
