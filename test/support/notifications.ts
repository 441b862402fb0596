/** Event notifications of a real Ceph RGW: a topic that sends what happens in a bucket to an address. */
import { PutBucketNotificationConfigurationCommand, S3Client } from '@aws-sdk/client-s3'
import { s3Endpoint } from './servers.ts'

interface Topic {
  /** Sends nothing any more. */
  remove(): Promise<void>
}

/**
 * @param address where RGW posts to
 * @param isPersistent RGW keeps what was not taken, and sends it again
 */
export async function notifyOf(bucket: string, address: string, isPersistent: boolean): Promise<Topic> {
  const client = new S3Client({ endpoint: s3Endpoint!, region: 'us-east-1', forcePathStyle: true })
  const attributes = { 'push-endpoint': address, persistent: String(isPersistent) }
  const entries = Object.entries(attributes).flatMap(([key, value], index) => [
    [`Attributes.entry.${index + 1}.key`, key],
    [`Attributes.entry.${index + 1}.value`, value],
  ])
  const created = await ask(client, { Action: 'CreateTopic', Name: bucket, ...Object.fromEntries(entries) })
  const [, TopicArn = ''] = /<TopicArn>(.*?)<\/TopicArn>/.exec(created) ?? []
  const configuration = { Id: 'all', TopicArn, Events: ['s3:ObjectCreated:*' as const] }
  await client.send(
    new PutBucketNotificationConfigurationCommand({
      Bucket: bucket,
      NotificationConfiguration: { TopicConfigurations: [configuration] },
    }),
  )
  return {
    remove: async () => {
      await ask(client, { Action: 'DeleteTopic', TopicArn })
      client.destroy()
    },
  }
}

/** The API of topics, which the SDK for S3 has no commands for. */
async function ask(client: S3Client, parameters: Record<string, string>): Promise<string> {
  const { protocol, hostname, port, host } = new URL(s3Endpoint!)
  const body = new URLSearchParams({ ...parameters, Version: '2010-03-31' }).toString()
  const headers = { host, 'content-type': 'application/x-www-form-urlencoded' }
  const scheme = { name: 'sigv4', signingName: 's3', signingRegion: 'us-east-1', properties: {} }
  const signer = await client.config.signer(scheme)
  const signed = await signer.sign(
    { ...{ method: 'POST', protocol, hostname, port: Number(port), path: '/', query: {} }, headers, body },
    { signingService: 's3', signingRegion: 'us-east-1' },
  )
  const response = await fetch(`${s3Endpoint}/`, { method: 'POST', headers: signed.headers, body })
  const text = await response.text()
  if (!response.ok) throw new Error(`${parameters.Action}: ${text}`)
  return text
}
