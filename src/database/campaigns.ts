/** Tables `campaigns`, `campaign_progress` and `campaign_failures`: what a fleet works on, and how far it is. */
import type postgres from 'postgres'
import { RmbgError } from '../errors.ts'
import { withDatabase } from './errors.ts'
import { one } from './rows.ts'

export type CampaignState = 'running' | 'paused' | 'cancelled'

export interface Campaign {
  campaignId: string
  name: string
  userId: string
  params: Record<string, unknown>
  /** Hex. */
  fingerprint: string
  settings: Record<string, unknown>
  /** As they were given. */
  inputs: string[]
  shardSize: number
  priority: number
  state: CampaignState
  shards: number
  images: number
  /** By input: up to where it is in the queue. */
  cursors: Record<string, unknown>
  /** All inputs are in the queue. */
  isListed: boolean
  hasEnded: boolean
  createdAt: Date
}

export type NewCampaign = Pick<
  Campaign,
  | 'campaignId'
  | 'name'
  | 'userId'
  | 'params'
  | 'fingerprint'
  | 'settings'
  | 'inputs'
  | 'shardSize'
  | 'priority'
>

const columns = (sql: postgres.Sql) => sql`
  campaign_id as "campaignId", name, user_id as "userId", params, encode(fingerprint, 'hex') as fingerprint, settings,
  inputs, shard_size as "shardSize", priority, state, shards::float8 as shards, images::float8 as images, cursors,
  listed_at is not null as "isListed", ended_at is not null as "hasEnded", created_at as "createdAt"`

/** Makes a campaign unless one has its name. @returns the campaign of that name */
export async function createCampaign(sql: postgres.Sql, given: NewCampaign): Promise<Campaign> {
  const { campaignId, name, userId, params, fingerprint, settings, inputs, shardSize, priority } = given
  await withDatabase(
    () => sql`
      insert into campaigns (campaign_id, name, user_id, params, fingerprint, settings, inputs, shard_size, priority)
      values (${campaignId}, ${name}, ${userId}, ${json(sql, params)}, decode(${fingerprint}, 'hex'),
        ${json(sql, settings)}, ${json(sql, inputs)}, ${shardSize}, ${priority})
      on conflict (name) do nothing`,
  )
  return requireCampaign(sql, name)
}

const json = (sql: postgres.Sql, value: unknown) => sql.json(value as postgres.JSONValue)

async function findCampaign(sql: postgres.Sql, name: string): Promise<Campaign | undefined> {
  const [found] = await withDatabase<Campaign>(
    () => sql`select ${columns(sql)} from campaigns where name = ${name}`,
  )
  return found
}

/** @throws RmbgError NOT_FOUND */
export async function requireCampaign(sql: postgres.Sql, name: string): Promise<Campaign> {
  const found = await findCampaign(sql, name)
  if (found) return found
  throw new RmbgError('NOT_FOUND', `There is no campaign ${JSON.stringify(name)}.`, {
    hint: 'rmbg campaign list shows them; rmbg enqueue makes one.',
  })
}

/** @throws RmbgError NOT_FOUND when it is gone */
export async function campaignOfId(sql: postgres.Sql, campaignId: string): Promise<Campaign> {
  const [found] = await withDatabase<Campaign>(
    () => sql`select ${columns(sql)} from campaigns where campaign_id = ${campaignId}`,
  )
  if (found) return found
  throw new RmbgError('NOT_FOUND', `There is no campaign ${campaignId} any more.`)
}

/** Names more inputs, which are not in the queue yet. */
export async function addInputs(
  sql: postgres.Sql,
  { campaignId }: Campaign,
  inputs: readonly string[],
): Promise<void> {
  await withDatabase(
    () => sql`
      update campaigns set listed_at = null, ended_at = null, inputs = inputs || (
        select coalesce(jsonb_agg(i), '[]') from jsonb_array_elements_text(${json(sql, inputs)}) i where not inputs ? i)
      where campaign_id = ${campaignId}`,
  )
}

/** The queue is gone, or was never made: everything is listed anew. What was done before is skipped then. */
export async function forgetListing(sql: postgres.Sql, { campaignId }: Campaign): Promise<void> {
  await withDatabase(
    () => sql`
      update campaigns set cursors = '{}', shards = 0, images = 0, listed_at = null, ended_at = null
      where campaign_id = ${campaignId}`,
  )
  await withDatabase(() => sql`delete from campaign_progress where campaign_id = ${campaignId}`)
  await withDatabase(() => sql`delete from campaign_failures where campaign_id = ${campaignId}`)
}

export interface Written {
  shards: number
  images: number
  /** The input whose cursor moves, and its cursor before and after. */
  input: string
  before: unknown
  cursor: unknown
}

/**
 * Moves a cursor in the transaction that adds the shards before it.
 *
 * @returns `moved`; `done` when it stands there already, with its shards: the answer to a first try was lost; `elsewhere`
 *   when somebody else has moved it
 */
export async function noteWritten(
  transaction: postgres.Sql,
  campaignId: string,
  { shards, images, input, before, cursor }: Written,
): Promise<'moved' | 'done' | 'elsewhere'> {
  const { count } = await transaction`
    update campaigns set shards = shards + ${shards}, images = images + ${images}, written_at = now(),
      cursors = cursors || jsonb_build_object(${input}::text, ${json(transaction, cursor)}::jsonb)
    where campaign_id = ${campaignId}
      and (cursors -> ${input}::text) is not distinct from ${before == null ? null : json(transaction, before)}::jsonb`
  if (count === 1) return 'moved'
  const found = await transaction`
    select 1 from campaigns where campaign_id = ${campaignId}
      and cursors -> ${input}::text = ${json(transaction, cursor)}::jsonb`
  return found.length > 0 ? 'done' : 'elsewhere'
}

/** All inputs are in the queue. */
export async function noteListed(sql: postgres.Sql, campaignId: string): Promise<void> {
  await withDatabase(
    () => sql`update campaigns set listed_at = now(), ended_at = null where campaign_id = ${campaignId}`,
  )
}

export async function setCampaignState(
  sql: postgres.Sql,
  { campaignId }: Campaign,
  state: CampaignState,
): Promise<void> {
  await withDatabase(
    () => sql`
      update campaigns set state = ${state}, ended_at = case when ${state} = 'cancelled' then now() else ended_at end
      where campaign_id = ${campaignId}`,
  )
}

/** There is something to do again. */
export async function reopenCampaign(sql: postgres.Sql, campaignId: string): Promise<void> {
  await sql`update campaigns set ended_at = null where campaign_id = ${campaignId}`
}

/** Whether shards may go back into its queue. Nobody cancels it before the transaction ends. */
export async function isUncancelled(transaction: postgres.Sql, campaignId: string): Promise<boolean> {
  const found = await transaction`
    select 1 from campaigns where campaign_id = ${campaignId} and state <> 'cancelled' for share`
  return found.length > 0
}

export interface OpenCampaign {
  campaignId: string
  name: string
  state: CampaignState
  isListed: boolean
  /** Whether whoever lists its inputs was at work in the last minutes. */
  isBeingListed: boolean
  /** Something can be fetched now. */
  isReady: boolean
  hasSuspects: boolean
  /** Something waits, or a worker has it. */
  isBusy: boolean
}

/** The names of a campaign's queues. */
export const queuesOf = (campaignId: string) => ({
  shards: `campaign/${campaignId}`,
  /** Pictures that may have ended their workers, one a shard. */
  suspects: `campaign/${campaignId}/suspects`,
  /** Pictures that have. */
  dead: `campaign/${campaignId}/dead`,
})

/**
 * What there is to do, the most urgent first.
 *
 * @param names of campaigns; undefined stands for all
 */
export function openCampaigns(
  sql: postgres.Sql,
  names: readonly string[] | undefined,
): Promise<OpenCampaign[]> {
  const all = names === undefined
  return withDatabase<OpenCampaign>(
    () => sql`
      select c.campaign_id as "campaignId", c.name, c.state, c.listed_at is not null as "isListed",
        c.written_at > now() - interval '5 minutes' as "isBeingListed",
        ${waits(sql, sql`'campaign/' || c.campaign_id`)} as "isReady",
        ${waits(sql, sql`'campaign/' || c.campaign_id || '/suspects'`)} as "hasSuspects",
        exists (select from pgboss.job j where j.name = 'campaign/' || c.campaign_id and j.state <= 'active')
          or exists (select from pgboss.job j
            where j.name = 'campaign/' || c.campaign_id || '/suspects' and j.state <= 'active') as "isBusy"
      from campaigns c
      where c.ended_at is null and (${all} or c.name in (
        select jsonb_array_elements_text(${json(sql, names ?? [])})))
      order by c.priority desc, c.created_at`,
  )
}

const waits = (sql: postgres.Sql, queue: postgres.PendingQuery<postgres.Row[]>) => sql`
  exists (select from pgboss.job j where j.name = ${queue} and j.state < 'active' and not j.blocked
    and j.start_after <= now())`

/** Nothing is left of it. It stays open where something was added at this moment. */
export async function endCampaign(sql: postgres.Sql, campaignId: string): Promise<void> {
  const queues = queuesOf(campaignId)
  await withDatabase(
    () => sql`
      update campaigns set ended_at = now()
      where campaign_id = ${campaignId} and listed_at is not null and ended_at is null
        and not exists (select from pgboss.job j where j.name = ${queues.shards} and j.state <= 'active')
        and not exists (select from pgboss.job j where j.name = ${queues.suspects} and j.state <= 'active')`,
  )
}

export interface Settled {
  completed: number
  skipped: number
  failures: readonly ImageFailure[]
}

export interface ImageFailure {
  item: object
  code: string
  message: string
}

/** Counts what became of images, in the transaction that takes them out of the queue. */
export async function noteSettled(
  transaction: postgres.Sql,
  campaignId: string,
  { completed, skipped, failures }: Settled,
): Promise<void> {
  if (completed + skipped > 0) {
    await transaction`
      insert into campaign_progress as p (campaign_id, minute, completed, skipped)
      values (${campaignId}, date_trunc('minute', now()), ${completed}, ${skipped})
      on conflict (campaign_id, minute)
      do update set completed = p.completed + excluded.completed, skipped = p.skipped + excluded.skipped`
  }
  if (failures.length > 0) {
    await transaction`
      insert into campaign_failures (campaign_id, item_md5, item, code, message)
      select distinct on (1, 2) ${campaignId}::uuid, md5(f.item::text)::uuid, f.item, f.code, f.message
      from jsonb_to_recordset(${json(transaction, failures)}) as f (item jsonb, code text, message text)
      order by 1, 2
      on conflict (campaign_id, item_md5)
      do update set code = excluded.code, message = excluded.message, failed_at = now()`
  }
}

/** Takes failures out of the list, to be tried again. @returns up to `limit` of them */
export async function takeFailures(
  transaction: postgres.Sql,
  campaignId: string,
  limit: number,
): Promise<object[]> {
  const rows = await transaction<{ item: object }[]>`
    delete from campaign_failures where (campaign_id, item_md5) in (
      select campaign_id, item_md5 from campaign_failures where campaign_id = ${campaignId} limit ${limit})
    returning item`
  return rows.map(({ item }) => item)
}

export interface CampaignProgress {
  /** Made for this campaign. */
  completed: number
  /** Done before. */
  skipped: number
  failed: number
  /** Of the last minutes; 0 while nothing was done in them. */
  imagesPerSecond: number
  /** Shards that wait, and that workers have. */
  waiting: number
  active: number
  /** Pictures that ended their workers. */
  dead: number
}

/** Minutes that the rate is taken from. */
const rateMinutes = 5

export async function progressOf(sql: postgres.Sql, campaignId: string): Promise<CampaignProgress> {
  const { shards, suspects, dead } = queuesOf(campaignId)
  const rows = await withDatabase<CampaignProgress>(
    () => sql`
      select p.completed, p.skipped, p.recent / greatest(extract(epoch from now() - p.since), 1) as "imagesPerSecond",
        (select count(*)::float8 from campaign_failures where campaign_id = ${campaignId}) as failed, q.*
      from (
        select coalesce(sum(completed), 0)::float8 as completed, coalesce(sum(skipped), 0)::float8 as skipped,
          coalesce(sum(completed + skipped) filter (where minute > now() - ${rateMinutes} * interval '1 minute'), 0)::float8
            as recent,
          min(minute) filter (where minute > now() - ${rateMinutes} * interval '1 minute') as since
        from campaign_progress where campaign_id = ${campaignId}
      ) p, (
        select count(*) filter (where name <> ${dead} and state < 'active')::float8 as waiting,
          count(*) filter (where name <> ${dead} and state = 'active')::float8 as active,
          count(*) filter (where name = ${dead} and state < 'active')::float8 as dead
        from pgboss.job where name in (${shards}, ${suspects}, ${dead}) and state <= 'active'
      ) q`,
  )
  const { imagesPerSecond, ...counts } = one(rows)
  return { ...counts, imagesPerSecond: Number(imagesPerSecond ?? 0) }
}

export interface LostImage extends ImageFailure {
  state: 'failed' | 'dead'
  at: Date
}

/** Images that failed, and those that ended their workers, the newest first. */
export function lostImages(sql: postgres.Sql, campaignId: string, limit: number): Promise<LostImage[]> {
  const { dead } = queuesOf(campaignId)
  return withDatabase<LostImage>(
    () => sql`
      (select item, code, message, 'failed' as state, failed_at as at from campaign_failures
        where campaign_id = ${campaignId} order by failed_at desc limit ${limit})
      union all
      (select item, 'MODEL_CRASHED', 'Three workers ended while they had it.', 'dead', created_on
        from pgboss.job, jsonb_array_elements(data -> 'items') item
        where name = ${dead} and state < 'active' order by created_on desc limit ${limit})
      order by at desc limit ${limit}`,
  )
}

/** Shards of these campaigns that wait and that workers have, and dead pictures. @param names undefined stands for all */
export async function queueDepth(
  sql: postgres.Sql,
  names: readonly string[] | undefined,
): Promise<{ waiting: number; active: number; dead: number }> {
  const all = names === undefined
  const rows = await withDatabase<{ waiting: number; active: number; dead: number }>(
    () => sql`
      select count(*) filter (where not d.is_dead and j.state < 'active')::float8 as waiting,
        count(*) filter (where not d.is_dead and j.state = 'active')::float8 as active,
        count(*) filter (where d.is_dead)::float8 as dead
      from campaigns c
      cross join (values ('', false), ('/suspects', false), ('/dead', true)) as d (ending, is_dead)
      join pgboss.job j on j.name = 'campaign/' || c.campaign_id || d.ending and j.state <= 'active'
      where ${all} or c.name in (select jsonb_array_elements_text(${json(sql, names ?? [])}))`,
  )
  return one(rows)
}

/** Whether images of these campaigns failed or ended their workers. @param names undefined stands for all that there are */
export async function hasLostImages(
  sql: postgres.Sql,
  names: readonly string[] | undefined,
): Promise<boolean> {
  const all = names === undefined
  const rows = await withDatabase<{ found: boolean }>(
    () => sql`
      select exists (
        select from campaigns c
        where (${all} or c.name in (select jsonb_array_elements_text(${json(sql, names ?? [])})))
          and (exists (select from campaign_failures f where f.campaign_id = c.campaign_id)
            or exists (select from pgboss.job j
              where j.name = 'campaign/' || c.campaign_id || '/dead' and j.state < 'active'))
      ) as found`,
  )
  return one(rows).found
}

export interface ListedCampaign
  extends Pick<
    Campaign,
    'campaignId' | 'name' | 'userId' | 'state' | 'images' | 'isListed' | 'hasEnded' | 'createdAt'
  > {
  done: number
  failed: number
}

/** Newest first. */
export function listCampaigns(sql: postgres.Sql, limit: number): Promise<ListedCampaign[]> {
  return withDatabase<ListedCampaign>(
    () => sql`
      select campaign_id as "campaignId", name, user_id as "userId", state, images::float8 as images,
        listed_at is not null as "isListed", ended_at is not null as "hasEnded", created_at as "createdAt",
        coalesce((select sum(completed + skipped) from campaign_progress p where p.campaign_id = c.campaign_id), 0)::float8
          as done,
        (select count(*) from campaign_failures f where f.campaign_id = c.campaign_id)::float8 as failed
      from campaigns c order by created_at desc limit ${limit}`,
  )
}

/** Whether the queue knows this campaign. A dump holds campaigns without their queues. */
export async function hasQueues(sql: postgres.Sql, campaignId: string): Promise<boolean> {
  const rows = await withDatabase<{ found: boolean }>(
    () => sql`select exists (select from pgboss.queue where name = ${queuesOf(campaignId).shards}) as found`,
  )
  return one(rows).found
}

/**
 * How long the database server has been there without a break, in seconds: what it saw of workers before that says
 * nothing of them.
 */
export async function serverUptime(sql: postgres.Sql): Promise<number> {
  const rows = await withDatabase<{ seconds: number }>(
    () => sql`select extract(epoch from now() - pg_postmaster_start_time())::float8 as seconds`,
  )
  return one(rows).seconds
}
