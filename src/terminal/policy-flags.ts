import * as Flags from '@oclif/core/flags'
import type * as Interfaces from '@oclif/core/interfaces'
import type { PrunePolicy } from '../database/tombstones.ts'
import { age } from './flags.ts'

const helpGroup = 'POLICY'

/** Which jobs are old enough to go. */
export const policyFlags = {
  'older-than': age({
    helpGroup,
    default: '6 months',
    description: 'how old a job must be, such as 90d, 6mo or 1y',
  }),
  status: Flags.string({
    helpGroup,
    multiple: true,
    multipleNonGreedy: true,
    options: ['completed', 'failed'],
    default: ['completed'],
    description: 'which jobs --older-than applies to; repeatable',
  }),
  'failed-older-than': age({ helpGroup, description: 'also delete failed jobs of this age' }),
  'abandoned-older-than': age({
    helpGroup,
    description: 'also delete unfinished jobs of this age that nobody works on',
  }),
  'keep-last': Flags.integer({
    helpGroup,
    min: 1,
    max: 1_000_000,
    helpValue: 'N',
    description: 'keep the newest N completed jobs of every user',
  }),
  user: Flags.string({ helpGroup, description: 'only jobs of this user' }),
  tag: Flags.string({
    helpGroup,
    multiple: true,
    multipleNonGreedy: true,
    description: 'only jobs with this tag; repeatable, a job must have them all',
  }),
  'except-tag': Flags.string({
    helpGroup,
    multiple: true,
    multipleNonGreedy: true,
    description: 'keep jobs with this tag; repeatable, any of them is enough',
  }),
}

export function toPolicy(flags: Interfaces.InferredFlags<typeof policyFlags>): PrunePolicy {
  const { status, user, tag } = flags
  const olderThan = flags['older-than']
  const failed = flags['failed-older-than'] ?? (status.includes('failed') ? olderThan : undefined)
  const abandoned = flags['abandoned-older-than']
  const exceptTags = flags['except-tag']
  return {
    olderThan: {
      ...(status.includes('completed') && { completed: olderThan }),
      ...(failed !== undefined && { failed }),
      ...(abandoned !== undefined && { abandoned }),
    },
    keepLast: flags['keep-last'],
    filter: {
      ...(user !== undefined && { user }),
      ...(tag && { tags: [...new Set(tag)] }),
      ...(exceptTags && { exceptTags: [...new Set(exceptTags)] }),
    },
  }
}
