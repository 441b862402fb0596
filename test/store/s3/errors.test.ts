import { HeadBucketCommand } from '@aws-sdk/client-s3'
import { describe, expect, it, vi } from 'vitest'
import { orS3Error } from '../../../src/store/s3/errors.ts'
import { s3Client } from '../../../src/store/s3/index.ts'

describe('a request to an S3 server', () => {
  it('without a region and an endpoint says which settings are missing', async () => {
    for (const name of ['AWS_REGION', 'AWS_DEFAULT_REGION', 'AWS_PROFILE']) vi.stubEnv(name, undefined)
    for (const name of ['AWS_CONFIG_FILE', 'AWS_SHARED_CREDENTIALS_FILE']) vi.stubEnv(name, '/nowhere')
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'any')
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'any')
    const client = s3Client({ bucket: 'photos' })
    await expect(
      orS3Error(client.send(new HeadBucketCommand({ Bucket: 'photos' })), 's3://photos'),
    ).rejects.toMatchObject({
      code: 'STORE_DENIED',
      message: 'The region of s3://photos is not known.',
      hint: 'Set S3_REGION, or S3_ENDPOINT where the store is not that of AWS.',
    })
    client.destroy()
  })

  it('that fails for a reason without a name tells it', async () => {
    await expect(orS3Error(Promise.reject(new Error('It rained.')), 's3://photos')).rejects.toMatchObject({
      message: 's3://photos cannot be reached or does not answer (It rained.).',
    })
  })
})
