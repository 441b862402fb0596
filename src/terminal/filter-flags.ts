import * as Flags from '@oclif/core/flags'
import type * as Interfaces from '@oclif/core/interfaces'
import type { JobFilter } from '../database/filters.ts'
import { type JsonPart, jsonObject, keyValue, size, when } from './flags.ts'

const helpGroup = 'FILTER'

/** Which jobs are wanted. */
export const filterFlags = {
  user: Flags.string({ helpGroup, description: 'only jobs of this user' }),
  status: Flags.string({
    helpGroup,
    multiple: true,
    multipleNonGreedy: true,
    options: ['pending', 'processing', 'completed', 'failed'],
    description: 'only jobs in this state; repeat the flag for any of several',
  }),
  since: when({
    helpGroup,
    description: 'only jobs created at or after a date, a time or an age, such as 2026-11-01 or 7d',
  }),
  until: when({ helpGroup, description: 'only jobs created before a date, a time or an age' }),
  tag: Flags.string({
    helpGroup,
    multiple: true,
    multipleNonGreedy: true,
    description: 'only jobs with this tag; repeat the flag for all of several',
  }),
  'tag-like': Flags.string({ helpGroup, description: 'only jobs with a tag similar to this text' }),
  param: keyValue({
    helpGroup,
    multiple: true,
    multipleNonGreedy: true,
    description: 'only jobs made with this parameter, such as model.name=rmbg-2.0; repeatable',
  }),
  params: jsonObject({ helpGroup, description: 'only jobs whose parameters contain this JSON' }),
  'larger-than': size({ helpGroup, description: 'only jobs whose file is larger, such as 4MB' }),
  name: Flags.string({
    helpGroup,
    helpValue: 'GLOB',
    description: "only jobs whose file name (without folders) matches, such as '*-hero.jpg'; quote it",
  }),
  error: Flags.string({
    helpGroup,
    helpValue: 'CODE|TEXT',
    description: 'only failed jobs with this error code, or with this text in the message',
  }),
  search: Flags.string({
    helpGroup,
    helpValue: 'WORDS',
    description:
      'only jobs that have ended and have each of these words in their file name, a tag or their error; best first',
  }),
  'needs-review': Flags.boolean({
    helpGroup,
    default: false,
    description: 'only jobs flagged for review',
  }),
  verdict: Flags.string({
    helpGroup,
    multiple: true,
    multipleNonGreedy: true,
    options: ['accepted', 'rejected', 'none'],
    description: 'only jobs with this verdict of a person; repeat the flag for any of several',
  }),
}

type FilterFlags = Interfaces.InferredFlags<typeof filterFlags>

/** The filter that these flags ask for. Some commands are about completed jobs, and have no flags for others. */
export function toFilter(
  flags: Omit<FilterFlags, 'status' | 'error' | 'search'> &
    Partial<Pick<FilterFlags, 'status' | 'error' | 'search'>>,
): JobFilter {
  const { user, status, since, until, tag, name, error, search, 'larger-than': largerThanBytes } = flags
  const params = containment(flags.param ?? [], flags.params)
  return {
    ...(user !== undefined && { user }),
    ...(status && { statuses: [...new Set(status)] }),
    ...(since && { since }),
    ...(until && { until }),
    ...(tag && { tags: [...new Set(tag)] }),
    ...(flags['tag-like'] !== undefined && { tagLike: flags['tag-like'] }),
    ...(params && { params }),
    ...(largerThanBytes !== undefined && { largerThanBytes }),
    ...(name !== undefined && { name }),
    ...(error !== undefined && { error }),
    ...(search !== undefined && { search }),
    ...(flags['needs-review'] && { needsReview: true }),
    ...(flags.verdict && { verdicts: [...new Set(flags.verdict)] as JobFilter['verdicts'] & {} }),
  }
}

/** Parts and a whole as one object; what a part says wins. */
function containment(
  parts: readonly JsonPart[],
  whole: Record<string, unknown> | undefined,
): Record<string, unknown> | undefined {
  if (parts.length === 0) return whole
  const wanted = structuredClone(whole ?? {})
  // Defined, not assigned: a key may be called "__proto__" or "constructor".
  const define = (object: object, key: string, value: unknown) =>
    Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true })
  for (const { path, value } of parts) {
    let level = wanted
    for (const key of path.slice(0, -1)) {
      if (!Object.hasOwn(level, key) || typeof level[key] !== 'object' || level[key] === null)
        define(level, key, {})
      level = level[key] as Record<string, unknown>
    }
    define(level, path.at(-1) ?? '', value)
  }
  return wanted
}
