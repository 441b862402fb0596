import type { LifecycleRule, LifecycleRuleFilter, Tag } from '@aws-sdk/client-s3'

interface Scope {
  prefix: string | undefined
  tags: Tag[]
  larger: number | undefined
  smaller: number | undefined
}

/**
 * The same rule in the one form that every server accepts. AWS refuses a prefix outside a filter if other rules have
 * filters. Ceph returns a prefix and tags side by side; given back like that, it forgets the prefix, and the rule would
 * apply to the whole bucket.
 */
export function portableRule({ Prefix, Filter, ...rule }: LifecycleRule): LifecycleRule {
  return { ...rule, Filter: portableFilter(scopeOf({ Prefix, Filter })) }
}

function scopeOf({ Prefix, Filter }: Pick<LifecycleRule, 'Prefix' | 'Filter'>): Scope {
  return {
    prefix: Prefix ?? Filter?.Prefix ?? Filter?.And?.Prefix,
    tags: [...(Filter?.Tag ? [Filter.Tag] : []), ...(Filter?.And?.Tags ?? [])],
    larger: Filter?.ObjectSizeGreaterThan ?? Filter?.And?.ObjectSizeGreaterThan,
    smaller: Filter?.ObjectSizeLessThan ?? Filter?.And?.ObjectSizeLessThan,
  }
}

function portableFilter({ prefix, tags, larger, smaller }: Scope): LifecycleRuleFilter {
  const conditions = {
    ...(prefix && { Prefix: prefix }),
    ...(larger !== undefined && { ObjectSizeGreaterThan: larger }),
    ...(smaller !== undefined && { ObjectSizeLessThan: smaller }),
  }
  const count = Object.keys(conditions).length + tags.length
  if (count === 0) return { Prefix: '' }
  if (count > 1) return { And: { ...conditions, ...(tags.length > 0 && { Tags: tags }) } }
  return tags[0] ? { Tag: tags[0] } : conditions
}

/** Whether two rules do the same, however their parts are ordered. */
export function sameRule(one: LifecycleRule, other: LifecycleRule): boolean {
  return canonical(portableRule(one)) === canonical(portableRule(other))
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => {
    if (Array.isArray(part)) return part.map(canonical).sort()
    if (typeof part !== 'object' || part === null) return part
    return Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
  })
}

/** What a rule does, in one line. */
export function describeRule(rule: LifecycleRule): string {
  const { prefix, tags, larger, smaller } = scopeOf(rule)
  const only = tags.length > 0 || larger !== undefined || smaller !== undefined
  const subject = `${prefix || 'all keys'}${only ? ' with certain tags or sizes' : ''}`
  const actions = [...oldVersionActions(rule), ...otherActions(rule)].join(', ') || 'nothing'
  return `${subject}: ${actions}${rule.Status === 'Enabled' ? '' : ' (disabled)'}`
}

function oldVersionActions(rule: LifecycleRule): string[] {
  const { NoncurrentVersionTransitions: transitions, NoncurrentVersionExpiration: expiry } = rule
  const keeping = (newest: number | undefined) =>
    newest === undefined ? '' : ` but for the newest ${newest}`
  return [
    ...(transitions ?? []).map(
      ({ NoncurrentDays, StorageClass, NewerNoncurrentVersions }) =>
        `old versions to ${StorageClass} after ${days(NoncurrentDays)}${keeping(NewerNoncurrentVersions)}`,
    ),
    ...(expiry
      ? [
          `old versions removed after ${days(expiry.NoncurrentDays)}${keeping(expiry.NewerNoncurrentVersions)}`,
        ]
      : []),
  ]
}

function otherActions(rule: LifecycleRule): string[] {
  const { Transitions, Expiration, AbortIncompleteMultipartUpload: uploads } = rule
  const when = (count: number | undefined, date: Date | undefined) =>
    date ? `on ${date.toISOString().slice(0, 10)}` : `after ${days(count)}`
  return [
    ...(Transitions ?? []).map(
      ({ Days, Date: day, StorageClass }) => `current versions to ${StorageClass} ${when(Days, day)}`,
    ),
    ...(Expiration?.Days !== undefined || Expiration?.Date !== undefined
      ? [`current versions removed ${when(Expiration.Days, Expiration.Date)}`]
      : []),
    ...(Expiration?.ExpiredObjectDeleteMarker ? ['left-over delete markers removed'] : []),
    ...(uploads ? [`unfinished uploads removed after ${days(uploads.DaysAfterInitiation)}`] : []),
  ]
}

const days = (count: number | undefined): string => (count === 1 ? '1 day' : `${count} days`)
