/** What a grid shows, page by page. */
import { z } from 'zod'
import type { Database } from '../database/contract.ts'
import {
  type DoubtfulJob,
  type DoubtPosition,
  findDoubtfulPage,
  findDoubtfulPlaces,
} from '../database/doubt.ts'
import type { JobFilter } from '../database/filters.ts'
import { RmbgError } from '../errors.ts'
import type { Shown, Tile, TilePage, TilePlaces } from './contract.ts'

/** Jobs of a page: as many as a large screen shows, and half as many again. */
const pageSize = 100
/** Places of one answer: of 10,000 jobs, which a database counts in a moment, so that nobody waits behind it. */
const placesAtOnce = 100

const shownAs: Record<Shown, JobFilter['verdicts']> = {
  open: ['none'],
  rejected: ['rejected'],
  accepted: ['accepted'],
  all: undefined,
}

/** @throws RmbgError USAGE */
export function shownOf(text: string | undefined): Shown {
  if (text !== undefined && Object.hasOwn(shownAs, text)) return text as Shown
  throw new RmbgError('USAGE', 'Shown are open, rejected, accepted or all.')
}

/** What the command line asks for; what the page shows of it wins over a verdict that was asked for there. */
export function filterOf(filter: JobFilter, shown: Shown): JobFilter {
  const verdicts = shownAs[shown]
  return verdicts ? { ...filter, verdicts } : filter
}

/** @throws RmbgError USAGE for a place that this server has not told */
export async function tilePage(
  { sql }: Database,
  filter: JobFilter,
  after: string | undefined,
  limit = pageSize,
): Promise<TilePage> {
  const { jobs, next } = await findDoubtfulPage(sql, filter, { limit, after: placeOf(after) })
  return { jobs: jobs.map(tileOf), ...(next && { next: placeText(next) }) }
}

/** @throws RmbgError USAGE for a place that this server has not told */
export async function tilePlaces(
  { sql }: Database,
  filter: JobFilter,
  after: string | undefined,
): Promise<TilePlaces> {
  const told = await findDoubtfulPlaces(sql, filter, { pageSize, most: placesAtOnce, after: placeOf(after) })
  return { ...told, places: told.places.map(placeText) }
}

const tileOf = ({ createdAt: _, ...tile }: DoubtfulJob): Tile => tile

const placeSchema = z.tuple([
  z.int().min(0).max(1e6),
  z.string().regex(/^\d{4,}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/),
  z.guid(),
])

const placeText = ({ doubt, createdAt, jobId }: DoubtPosition): string =>
  Buffer.from(JSON.stringify([doubt, createdAt, jobId])).toString('base64url')

function placeOf(text: string | undefined): DoubtPosition | undefined {
  if (text === undefined) return undefined
  try {
    const [doubt, createdAt, jobId] = placeSchema.parse(JSON.parse(Buffer.from(text, 'base64url').toString()))
    return { doubt, createdAt, jobId }
  } catch (cause) {
    throw new RmbgError('USAGE', 'This is no place in the list.', { cause })
  }
}
