import type { BucketChanges, BucketPlan } from '../../store/contract.ts'
import { plural } from '../plural.ts'

/** What a bucket has and what it will have. */
export function bucketPlanText({ bucket, versioning, rules, changes }: BucketPlan): string {
  const lines = [
    `versioning  ${versioning.now}${versioning.now === versioning.wanted ? '' : ` -> ${versioning.wanted}`}`,
    ...rules.map(({ id, now, wanted }) =>
      now === wanted ? `${id}  ${wanted}` : `${id}  ${now ?? 'no rule'} -> ${wanted}`,
    ),
  ]
  const title = `s3://${bucket}${changes ? '' : ' needs no changes'}`
  return [title, ...lines.map((line) => `  ${line}`)].join('\n')
}

/** What was done to a bucket. */
export function bucketChangesText({ bucket, versioningEnabled, rulesSet }: BucketChanges): string {
  const done = [
    ...(versioningEnabled ? ['versioning turned on'] : []),
    ...(rulesSet.length > 0
      ? [`${plural(rulesSet.length, 'lifecycle rule')} set (${rulesSet.join(', ')})`]
      : []),
  ]
  return `s3://${bucket}: ${done.join(', ')}`
}
