/** Table `source_claims`: which inputs runs are about to read, see migrations/0046_source_claims.sql. */
import { createHash } from 'node:crypto'
import type postgres from 'postgres'
import { ownerIsDead } from '../system/owner.ts'
import { withDatabase } from './errors.ts'
import type { SourceFile } from './jobs.ts'
import type { KeptKind } from './kept.ts'
import type { Run } from './leases.ts'

export interface SourceRequest {
  run: Run
  /** Hex. */
  fingerprint: string
  /** Inputs to reserve at most. */
  want: number
  /** Keys of inputs that the run is through with: others may have them. */
  done: readonly string[]
  /** Some hundred at most, each with what has to be kept of a job that counts. */
  sources: readonly { source: SourceFile; keep: readonly KeptKind[] }[]
}

/** `unasked`: as many as were wanted were found before it. */
export type SourceState = 'reserved' | 'completed' | 'held' | 'unasked'

/** How an input is called in the table. */
export const sourceKey = ({ path, mtimeNs }: Pick<SourceFile, 'path' | 'mtimeNs'>): string =>
  createHash('md5').update(`${path}\n${mtimeNs}`).digest('hex')

/**
 * Takes inputs for a run before they are read. It is about traffic, and keeps no promise: only a claim of the job does.
 *
 * @returns in the order of the sources
 */
export async function reserveSources(sql: postgres.Sql, request: SourceRequest): Promise<SourceState[]> {
  const answers = await reserve(sql, request, [])
  const gone = [
    ...new Set(answers.flatMap(({ state, owner }) => (state === 'held' && owner ? owner : []))),
  ].filter(ownerIsDead)
  const reserved = answers.filter(({ state }) => state === 'reserved').length
  if (gone.length === 0 || reserved >= request.want) return answers.map(({ state }) => state)
  const again = answers.flatMap(({ owner }, index) => (owner !== null && gone.includes(owner) ? index : []))
  const sources = again.flatMap((index) => request.sources[index] ?? [])
  const retried = await reserve(sql, { ...request, want: request.want - reserved, done: [], sources }, gone)
  return answers.map(({ state }, index) => retried[again.indexOf(index)]?.state ?? state)
}

interface Answer {
  state: SourceState
  owner: string | null
}

async function reserve(
  sql: postgres.Sql,
  { run, sources, ...request }: SourceRequest,
  gone: readonly string[],
): Promise<Answer[]> {
  const asked = {
    ...{ ...request, gone, runId: run.id, owner: run.owner, leaseMs: run.leaseMs },
    sources: sources.map(({ source: { path, size, mtimeNs }, keep }) => ({
      ...{ path, size, mtime: String(mtimeNs), keep: `{${keep.join(',')}}` },
    })),
  }
  const rows = await withDatabase<Answer & { place: number }>(
    () => sql`
      select place, state, owner from reserve_sources(${sql.json(asked as unknown as postgres.JSONValue)})`,
  )
  const answers: Answer[] = sources.map(() => ({ state: 'unasked', owner: null }))
  for (const { place, state, owner } of rows) answers[place - 1] = { state, owner }
  return answers
}

/** Keeps what a run has reserved from those who would take it for dead. */
export async function renewSourceClaims(sql: postgres.Sql, { id, leaseMs }: Run): Promise<void> {
  await sql`select renew_source_claims(${id}, ${leaseMs})`
}

/** Lets go of everything that a run has reserved. */
export async function releaseSourceClaims(sql: postgres.Sql, runId: string): Promise<void> {
  await withDatabase(() => sql`select release_source_claims(${runId})`)
}
