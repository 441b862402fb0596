import { sizeText } from '../../bytes.ts'
import { one } from '../rows.ts'
import { fine, type HealthContext, type HealthLevel, type Look, worst } from './contract.ts'
import { counted, duration } from './words.ts'

interface Slot {
  name: string
  type: string
  active: boolean
  /** Bytes of WAL kept for it; null where it keeps none. */
  held: number | null
  /** Of PostgreSQL 13 and newer: reserved, extended, unreserved, lost. */
  state: string | null
}

/** A slot that nobody reads keeps WAL until the disk is full. */
const slots: Look = {
  name: 'replication-slots',
  serverOnly: true,
  look: async ({ sql, judge, isStandby }) => {
    const now = isStandby ? sql`pg_last_wal_replay_lsn()` : sql`pg_current_wal_lsn()`
    const all = await sql<Slot[]>`
      select slot_name::text as name, slot_type as type, active, to_jsonb(s) ->> 'wal_status' as state,
        pg_wal_lsn_diff(${now}, restart_lsn)::float8 as held
      from pg_replication_slots s order by 5 desc nulls last`
    if (all.length === 0) return fine('There is no replication slot.')
    const levels = all.map(({ active, held, state }): HealthLevel => {
      if (state === 'unreserved' || state === 'lost') return 'crit'
      return worst([judge('slot-wal', held ?? 0), active ? 'ok' : 'warn'])
    })
    const inactive = all.filter(({ active }) => !active).length
    const held = Math.max(...all.map((slot) => slot.held ?? 0))
    return {
      level: worst(levels),
      summary: `${counted(all.length, 'replication slot')}, ${inactive} of them inactive; up to ${sizeText(held)} of WAL is kept.`,
      details: all.flatMap((slot, index) => (levels[index] === 'ok' ? [] : slotDetails(slot))),
      metrics: all.flatMap(({ name, active, held }) => [
        {
          ...{ name: 'rmbg_replication_slot_wal_bytes', value: held ?? 0, labels: { slot: name } },
          help: 'WAL that a replication slot keeps.',
        },
        {
          ...{ name: 'rmbg_replication_slot_active', value: Number(active), labels: { slot: name } },
          help: '1 while something reads from the slot.',
        },
      ]),
    }
  },
}

function slotDetails({ name, type, active, held, state }: Slot): string[] {
  const kept = `${type} slot ${name}, ${active ? 'active' : 'inactive'}: ${sizeText(held ?? 0)} of WAL kept`
  if (state === 'lost')
    return [`${kept}; WAL that it needs is gone, so its standby has to be made anew. Drop it.`]
  if (state === 'unreserved') return [`${kept}; what it needs may go at the next checkpoint`]
  return [
    active ? kept : `${kept}; if its reader is gone for good: SELECT pg_drop_replication_slot('${name}')`,
  ]
}

interface Standby {
  name: string
  address: string
  state: string | null
  sync: string | null
  bytes: number | null
  seconds: number
}

async function lookAtStandbys(context: HealthContext): ReturnType<Look['look']> {
  const { sql, judge, seesAll, grantMonitor } = context
  const { synchronous } = one(
    await sql<{ synchronous: boolean }[]>`
      select current_setting('synchronous_standby_names') <> ''
        and current_setting('synchronous_commit') not in ('off', 'local') as synchronous`,
  )
  const standbys = await sql<Standby[]>`
    select application_name as name, coalesce(host(client_addr), 'local') as address, state, sync_state as sync,
      pg_wal_lsn_diff(pg_current_wal_lsn(), coalesce(replay_lsn, flush_lsn))::float8 as bytes,
      coalesce(extract(epoch from replay_lag), 0)::float8 as seconds
    from pg_stat_replication where state is distinct from 'backup' order by 5 desc nulls last`
  const isStuck = synchronous && seesAll && !standbys.some(({ sync }) => sync === 'sync' || sync === 'quorum')
  const stuck = 'synchronous_standby_names names a standby, and none is there: every commit waits.'
  if (standbys.length === 0) {
    if (!isStuck) return fine('No standby is connected.')
    return { level: 'crit', summary: stuck, details: [], metrics: [] }
  }
  const seen = standbys.flatMap(({ bytes, ...standby }) => (bytes === null ? [] : [{ ...standby, bytes }]))
  const levels = seen.map(({ bytes, seconds }) =>
    worst([judge('standby-lag', seconds), judge('standby-lag-bytes', bytes)]),
  )
  const furthest = seen[0]
  const hidden = seen.length < standbys.length && !seesAll
  return {
    level: worst([...levels, isStuck ? 'crit' : 'ok', hidden ? 'unknown' : 'ok']),
    summary: isStuck
      ? stuck
      : `${counted(standbys.length, 'standby', 'standbys')} connected${furthest ? `, the furthest ${sizeText(furthest.bytes)} of WAL behind` : ''}.`,
    details: seen.map(
      ({ name, address, state, sync, bytes, seconds }) =>
        `${name} at ${address}, ${state}, ${sync}: ${sizeText(bytes)} and ${duration(seconds)} behind`,
    ),
    metrics: [
      { name: 'rmbg_standbys', value: standbys.length, help: 'Standbys that are connected.' },
      ...seen.flatMap(({ name, address, bytes, seconds }) => [
        {
          ...{ name: 'rmbg_standby_lag_bytes', value: bytes, labels: { standby: name, address } },
          help: 'WAL that a standby has not replayed.',
        },
        {
          ...{ name: 'rmbg_standby_lag_seconds', value: seconds, labels: { standby: name, address } },
          help: 'How long ago a standby was where the primary is.',
        },
      ]),
    ],
    ...(hidden && { grant: grantMonitor }),
  }
}

/** On an idle primary nothing is replayed for hours: only what was received and not replayed is behind. */
async function lookAtPrimary({ sql, judge, seesAll, grantMonitor }: HealthContext): ReturnType<Look['look']> {
  const { paused, bytes, seconds, receiving, hasSource } = one(
    await sql<
      {
        paused: boolean
        bytes: number
        seconds: number | null
        receiving: boolean
        hasSource: boolean | null
      }[]
    >`
      select pg_is_wal_replay_paused() as paused,
        coalesce(pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()), 0)::float8 as bytes,
        extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp())::float8 as seconds,
        exists (select from pg_stat_wal_receiver where pid is not null) as receiving,
        (select setting <> '' from pg_settings where name = 'primary_conninfo') as "hasSource"`,
  )
  const lag = receiving && bytes === 0 ? 0 : (seconds ?? 0)
  const isCutOff = hasSource === true && !receiving
  return {
    level: worst([
      judge('standby-lag', lag),
      judge('standby-lag-bytes', bytes),
      isCutOff || paused ? 'warn' : 'ok',
    ]),
    summary: isCutOff
      ? `This is a standby without a connection to its primary; its last transaction is ${duration(lag)} old.`
      : `This is a standby, ${sizeText(bytes)} and ${duration(lag)} behind ${receiving ? 'its primary' : 'the WAL archive'}.`,
    details: [
      ...(paused ? ['Replay is paused: SELECT pg_wal_replay_resume() goes on.'] : []),
      ...(isCutOff ? ["Look at primary_conninfo and at the server's log."] : []),
    ],
    metrics: [
      { name: 'rmbg_replay_lag_bytes', value: bytes, help: 'WAL received and not replayed by this standby.' },
      { name: 'rmbg_replay_lag_seconds', value: lag, help: 'How far this standby is behind.' },
    ],
    ...(hasSource === null && !seesAll && { grant: grantMonitor }),
  }
}

const replication: Look = {
  name: 'replication',
  serverOnly: true,
  look: (context) => (context.isStandby ? lookAtPrimary(context) : lookAtStandbys(context)),
}

export const replicationLooks = [replication, slots]
