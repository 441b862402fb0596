/** Every query a user can trigger, timed: what it cost, and how the server did it. */
import type postgres from 'postgres'
import type { JobFilter } from '../../../src/database/filters.ts'
import { findJobs, jobVersion } from '../../../src/database/query.ts'
import { timeAgo } from '../../../src/database/sql-time.ts'
import { listTags } from '../../../src/database/tags.ts'
import { dueJobs } from '../../../src/database/tombstones.ts'
import { storedBytes, unfinishedJobs, usageBy, usageTotal } from '../../../src/database/usage.ts'
import { explainQuery, queryJobs } from '../../../src/jobs/pages.ts'

export interface Timed {
  query: string
  p50Ms: number
  p95Ms: number
  /** Buffers of 8 KiB, of one execution. */
  buffers: number | null
  plan: string
}

const times = 21

async function time(ask: () => Promise<unknown>, most = times): Promise<{ p50Ms: number; p95Ms: number }> {
  const measured: number[] = []
  for (let round = 0; round < most; round++) {
    const startedAt = performance.now()
    await ask()
    measured.push(performance.now() - startedAt)
  }
  measured.sort((a, b) => a - b)
  const at = (share: number) => measured[Math.min(measured.length - 1, Math.floor(share * measured.length))]!
  return { p50Ms: at(0.5), p95Ms: at(0.95) }
}

/** How the rows were found, and how many pages of memory or disk it took. */
function summary(plan: readonly string[]): { plan: string; buffers: number } {
  const found = plan.flatMap((line) => {
    const [, node, , index] =
      /((?:Parallel )?(?:Index Only Scan|Index Scan|Bitmap Index Scan|Seq Scan)(?: Backward)?) (using|on) (\S+)/.exec(
        line,
      ) ?? []
    return node ? `${node} ${index!.replace('image_process_jobs_', '').replace(/_idx$/, '')}` : []
  })
  const [, hit = '0', read = '0'] =
    /shared(?: hit=(\d+))?(?: read=(\d+))?/.exec(plan.find((line) => line.includes('Buffers')) ?? '') ?? []
  // The last nodes fetch the page's rows by their keys, in every query.
  const ways = [...new Set(found)].filter(
    (way) =>
      !/(image_tags_pkey|tags_pkey|Index Scan image_process_jobs_pkey|Index Scan pkey|Seq Scan tags)$/.test(
        way,
      ),
  )
  return { plan: ways.slice(0, 3).join(', ') || found.join(', '), buffers: Number(hit) + Number(read) }
}

export async function timeQueries(sql: postgres.Sql): Promise<Timed[]> {
  const [middle] = await sql`
    select job_id as id, user_id as user from image_process_jobs where status = 'completed'
    order by created_at offset 1000 limit 1`
  const filters: [string, JobFilter][] = [
    ['query', {}],
    ['query --user (most jobs)', { user: 'user-0' }],
    ['query --user (few jobs)', { user: 'user-4990' }],
    ['query --status completed', { statuses: ['completed'] }],
    ['query --status failed', { statuses: ['failed'] }],
    ['query --status pending', { statuses: ['pending'] }],
    ['query --since 7d', { since: { ago: '7 days' } }],
    ['query --until 300d', { until: { ago: '300 days' } }],
    ['query --tag (most jobs)', { tags: ['spring'] }],
    ['query --tag (few jobs)', { tags: ['outdoor-499'] }],
    ['query --tag, two of them', { tags: ['spring', 'sale-495'] }],
    ['query --tag-like', { tagLike: 'sprng' }],
    ['query --param (most jobs)', { params: { model: { name: 'rmbg-2.0' } } }],
    ['query --param (1 %)', { params: { model: { name: 'birefnet' } } }],
    ['query --param (1 in 2000)', { params: { quality: 77 } }],
    ['query --param (none)', { params: { format: 'bmp' } }],
    ['query --larger-than 1MB', { largerThanBytes: 1_000_000 }],
    ['query --larger-than 15MB', { largerThanBytes: 15_000_000 }],
    ['query --name "IMG_5555555*"', { name: 'IMG_5555555*' }],
    ['query --name "*-hero.jpg"', { name: '*-hero.jpg' }],
    ['query --name "*.jpg"', { name: '*.jpg' }],
    ['query --error INPUT_EMPTY', { error: 'INPUT_EMPTY' }],
    ['query --error "premature end"', { error: 'premature end' }],
    ['query --error (in none)', { error: 'no such words' }],
    ['query --needs-review', { needsReview: true }],
    ['query --user --tag --since', { user: 'user-7', tags: ['hero'], since: { ago: '90 days' } }],
    ['query --user --status failed', { user: 'user-3000', statuses: ['failed'] }],
  ]
  const rows: Timed[] = []
  const limit = 50
  for (const [query, filter] of filters) {
    await queryJobs(sql, filter, { limit }) // the cache warms
    const timed = await time(() => queryJobs(sql, filter, { limit }))
    rows.push({ query, ...timed, ...summary(await explainQuery(sql, filter, { limit })) })
    console.error(query, timed.p50Ms.toFixed(1))
  }
  const after = (await queryJobs(sql, { until: { ago: '180 days' } }, { limit })).nextCursor!
  const deep = { until: { ago: '180 days' } }
  rows.push({
    query: 'query --cursor, 5 million jobs back',
    ...(await time(() => queryJobs(sql, deep, { limit, after }))),
    ...summary(await explainQuery(sql, deep, { limit, after })),
  })
  const period = await sql`
    select (now() at time zone 'UTC')::date::text as to, ((now() at time zone 'UTC')::date - 29)::text as from`
  const { from, to } = period[0] as unknown as { from: string; to: string }
  const others: [string, () => Promise<unknown>][] = [
    ['query ID', () => findJobs(sql, [middle!.id])],
    ['query ID, in the cache', () => jobVersion(sql, middle!.id)],
    [
      'stats, 30 days by day',
      async () => [await usageTotal(sql, { from, to }), await usageBy(sql, 'day', { from, to }, 50)],
    ],
    ['stats --by user, 30 days', () => usageBy(sql, 'user', { from, to }, 50)],
    ['stats --by tag, 30 days', () => usageBy(sql, 'tag', { from, to }, 50)],
    ['stats --by model, 30 days', () => usageBy(sql, 'model', { from, to }, 50)],
    ['stats --by user, a year', () => usageBy(sql, 'user', { from: '2020-01-01', to }, 50)],
    ['stats: bytes in the store', () => storedBytes(sql)],
    ['stats: unfinished jobs', () => unfinishedJobs(sql)],
    ['tag list', () => listTags(sql, { limit: 1000, after: '' })],
  ]
  for (const [query, ask] of others) {
    await ask()
    rows.push({ query, ...(await time(ask, query === 'tag list' ? 3 : times)), buffers: null, plan: '' })
    console.error(query)
  }
  const policy = { olderThan: { completed: '11 months' }, keepLast: undefined, filter: {} }
  const listDue = async () => {
    const before = await timeAgo(sql, policy.olderThan.completed)
    for await (const _ of dueJobs(sql, policy, { kind: 'completed', before }));
  }
  rows.push({
    query: 'prune --dry-run (a twelfth of all jobs)',
    ...(await time(listDue, 3)),
    buffers: null,
    plan: '',
  })
  return rows
}
