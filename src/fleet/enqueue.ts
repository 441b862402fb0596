/** From inputs to shards in the queue: streamed, and gone on with where an earlier try was stopped. */
import { v7 as uuidv7 } from 'uuid'
import {
  addInputs,
  type Campaign,
  createCampaign,
  forgetListing,
  hasQueues,
  type NewCampaign,
  noteListed,
  noteWritten,
  queuesOf,
  requireCampaign,
} from '../database/campaigns.ts'
import type { Database } from '../database/contract.ts'
import { withDatabase } from '../database/errors.ts'
import { ensurePartitions } from '../database/partitions.ts'
import { inTransaction, type NewShard, openQueue, type Queue } from '../database/queue.ts'
import { RmbgError } from '../errors.ts'
import { failPoint } from '../fail-point.ts'
import { traceCarrier } from '../telemetry/spans.ts'
import { type Item, type ListInput, type Shard, shownInput } from './contract.ts'

export interface EnqueueOptions extends Omit<NewCampaign, 'campaignId'> {
  /** Whether inputs may be added that an earlier call for this campaign did not name. */
  mayAdd: boolean
  list: ListInput
  signal: AbortSignal
  /** Told of images as they are in the queue. */
  onWritten: (images: number) => void
}

export interface Enqueued {
  campaign: string
  campaignId: string
  /** In the whole campaign. */
  images: number
  shards: number
  /** By this call. */
  added: number
  /** False when it was stopped before all inputs were listed. */
  isListed: boolean
}

/** Images that are written in one transaction. */
const imagesAtOnce = 5000
/** Shards that lose so many workers are split (`deaths.ts`); this is only a last bound. */
const mostRetries = 20

/**
 * Puts the pictures of inputs into the queue of a campaign. Shards and cursor are written in one transaction, so a
 * killed call that is started again neither loses nor doubles one.
 *
 * @throws RmbgError REFUSED when the campaign of this name is about something else; what listing an input throws; of
 *   family `database`
 */
export async function enqueue(database: Database, options: EnqueueOptions): Promise<Enqueued> {
  const queue = await openQueue(database, { install: true })
  try {
    const { sql } = database
    const campaign = await prepare(database, queue, options)
    let added = 0
    for (const input of campaign.inputs) {
      if (options.signal.aborted) break
      added += await enqueueInput(database, queue, campaign, input, options)
    }
    if (!options.signal.aborted) await noteListed(sql, campaign.campaignId)
    const { images, shards, isListed } = await requireCampaign(sql, campaign.name)
    return { campaign: campaign.name, campaignId: campaign.campaignId, images, shards, added, isListed }
  } finally {
    await queue.close()
  }
}

/** The campaign of this name, new or as it was left, with its queues. */
async function prepare(database: Database, queue: Queue, options: EnqueueOptions): Promise<Campaign> {
  const { sql } = database
  const { mayAdd, list: _list, signal: _signal, onWritten: _onWritten, ...given } = options
  const found = await createCampaign(sql, { campaignId: uuidv7(), ...given })
  assertSame(found, given, mayAdd)
  await failPoint('enqueue:created')
  await addInputs(sql, found, given.inputs)
  await createQueues(database, queue, found)
  await ensurePartitions(sql)
  await failPoint('enqueue:prepared')
  return requireCampaign(sql, found.name)
}

/** @throws RmbgError REFUSED */
function assertSame(found: Campaign, given: Omit<NewCampaign, 'campaignId'>, mayAdd: boolean): void {
  const name = JSON.stringify(found.name)
  if (found.state === 'cancelled') {
    throw new RmbgError('REFUSED', `The campaign ${name} was cancelled.`, { hint: 'Choose another --name.' })
  }
  if (found.fingerprint !== given.fingerprint) {
    throw new RmbgError(
      'REFUSED',
      `The campaign ${name} makes its cut-outs with another model or other settings.`,
      {
        hint: 'Choose another --name, or give the same flags as the first time.',
      },
    )
  }
  const others = given.inputs.filter((input) => !found.inputs.includes(input))
  if (others.length === 0 || mayAdd) return
  throw new RmbgError(
    'REFUSED',
    `The campaign ${name} has other inputs: ${found.inputs.map(shownInput).join(', ')}.`,
    {
      hint: 'Choose another --name, or add these to it on purpose with --add.',
    },
  )
}

/** A campaign without queues was restored from a dump, or its first call was killed: it is listed from the begin. */
async function createQueues({ sql }: Database, queue: Queue, campaign: Campaign): Promise<void> {
  const { campaignId } = campaign
  if (await hasQueues(sql, campaignId)) return
  if (Object.keys(campaign.cursors).length > 0) await forgetListing(sql, campaign)
  const { shards, suspects, dead } = queuesOf(campaignId)
  await queue.create([
    { name: dead, retryLimit: 0 },
    // The third death: the two before made a suspect of it.
    { name: suspects, retryLimit: 0, deadLetter: dead },
    { name: shards, retryLimit: mostRetries, deadLetter: dead },
  ])
}

/** @returns how many images were added */
async function enqueueInput(
  database: Database,
  queue: Queue,
  campaign: Campaign,
  input: string,
  { list, signal, onWritten }: EnqueueOptions,
): Promise<number> {
  let before: unknown = campaign.cursors[input] ?? null
  if (isEnd(before)) return 0
  let added = 0
  let waiting: Item[] = []
  const write = async (cursor: unknown): Promise<void> => {
    const items = waiting
    waiting = []
    await writeItems(database, queue, campaign, { items, input, before, cursor })
    before = cursor
    added += items.length
    onWritten(items.length)
  }
  for await (const { items, cursor } of list(input, before ?? undefined)) {
    if (signal.aborted) return added
    for (const item of items) waiting.push(item)
    if (waiting.length >= imagesAtOnce) await write(cursor)
  }
  if (!signal.aborted) await write({ end: true })
  return added
}

const isEnd = (cursor: unknown): boolean => (cursor as { end?: boolean } | null)?.end === true

interface Writing {
  items: readonly Item[]
  input: string
  before: unknown
  cursor: unknown
}

async function writeItems(
  { sql }: Database,
  queue: Queue,
  { campaignId, name, shardSize, priority }: Campaign,
  { items, input, before, cursor }: Writing,
): Promise<void> {
  const shards = shardsOf({ campaignId, priority }, items, shardSize)
  await withDatabase(async () => {
    await inTransaction(sql, async (transaction) => {
      const cursorIs = await noteWritten(transaction, campaignId, {
        ...{ shards: shards.length, images: items.length, input, before, cursor },
      })
      if (cursorIs === 'elsewhere') throw movedElsewhere(name)
      if (cursorIs === 'moved' && shards.length > 0)
        await queue.add(transaction, queuesOf(campaignId).shards, shards)
      await failPoint('enqueue:written')
    })
    return []
  })
  await failPoint('enqueue:committed')
}

/** Items as jobs of the queue, so many in each. */
export function shardsOf(
  { campaignId, priority }: Pick<Campaign, 'campaignId' | 'priority'>,
  items: readonly Item[],
  size: number,
): NewShard[] {
  const shards: NewShard[] = []
  const trace = traceCarrier()
  for (let from = 0; from < items.length; from += size) {
    const shard: Shard = {
      ...{ campaign: campaignId, items: items.slice(from, from + size) },
      ...(Object.keys(trace).length > 0 && { trace }),
    }
    shards.push({ data: shard, priority })
  }
  return shards
}

const movedElsewhere = (name: string): RmbgError =>
  new RmbgError('REFUSED', `Another rmbg enqueue is at work on the campaign ${JSON.stringify(name)}.`, {
    hint: 'Let it finish, or stop it; then run this one again.',
  })
