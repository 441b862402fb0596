import { createHash } from 'node:crypto'
import type { S3Client } from '@aws-sdk/client-s3'
import { isChecksumRefusal } from './errors.ts'

/**
 * Sends a Content-MD5 with every body, and sends a body again that arrived damaged.
 *
 * This is middleware of the SDK and no wrapper around the store: the MD5 must be there before a request is signed, and
 * what is sent again is one request, such as one part of an upload whose source is a stream.
 *
 * @param compareEtag also compare the ETag that comes back, where it is an MD5
 */
export function sendChecksums(client: S3Client, { compareEtag }: { compareEtag: boolean }): void {
  // The SDK computes no digest that every server verifies.
  client.middlewareStack.add(
    (next) => (args) => {
      const input = args.input as { Body?: unknown; ContentMD5?: string }
      if (input.Body instanceof Uint8Array && input.ContentMD5 === undefined) {
        input.ContentMD5 = createHash('md5').update(input.Body).digest('base64')
      }
      return next(args)
    },
    { step: 'initialize', name: 'contentMd5' },
  )
  // Inside the SDK's retries, which by themselves do not send a damaged body again.
  client.middlewareStack.add(
    (next) => async (args) => {
      const { ContentMD5: sent } = args.input as { ContentMD5?: string }
      const result = await next(args).catch((error) => {
        throw isChecksumRefusal(error) ? retryable(error) : error
      })
      const { ETag } = result.output as { ETag?: string }
      if (compareEtag && sent !== undefined && isOtherMd5(ETag, sent)) {
        throw retryable(
          Object.assign(new Error('The ETag is not that of what was sent'), { name: 'BadDigest' }),
        )
      }
      return result
    },
    { step: 'finalizeRequest', priority: 'low', name: 'resendDamaged' },
  )
}

const retryable = (error: Error): Error => Object.assign(error, { $retryable: {} })

/** With SSE-KMS and on some servers the ETag is no MD5; then the server's own check of Content-MD5 has to do. */
function isOtherMd5(etag: string | undefined, md5Base64: string): boolean {
  const md5 = etag?.replaceAll('"', '') ?? ''
  return /^[0-9a-f]{32}$/.test(md5) && md5 !== Buffer.from(md5Base64, 'base64').toString('hex')
}
