import type { S3Options } from '../store/s3/index.ts'
import { type BucketPlan, type BucketWish, configureBucket, planBucket } from '../store/s3/policy.ts'

export type { BucketPlan }

/** All our keys begin with one of these; nothing else in a bucket is touched. */
const prefixes = ['original/', 'mask/', 'processed/']

export type VersionWish = Omit<BucketWish, 'prefixes'>

/** What would change in each bucket. */
export async function planBuckets(buckets: readonly S3Options[], wish: VersionWish): Promise<BucketPlan[]> {
  const plans: BucketPlan[] = []
  for (const bucket of buckets) plans.push(await planBucket(bucket, { ...wish, prefixes }))
  return plans
}

/** Carries it out and reads it back. */
export async function configureBuckets(buckets: readonly S3Options[], wish: VersionWish): Promise<void> {
  for (const bucket of buckets) await configureBucket(bucket, { ...wish, prefixes })
}
