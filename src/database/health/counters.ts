/** What counts up and ends: transaction ids, and the values of sequences. */
import { ownTables } from '../indexes.ts'
import { one } from '../rows.ts'
import { fine, type Look, worst } from './contract.ts'

const wraparound: Look = {
  name: 'wraparound',
  look: async ({ sql, judge, moved }) => {
    const { xid, multixact, freeze } = one(
      await sql<{ xid: number; multixact: number; freeze: number }[]>`
        select max(age(c.relfrozenxid))::float8 as xid, max(mxid_age(c.relminmxid))::float8 as multixact,
          current_setting('autovacuum_freeze_max_age')::float8 as freeze
        from pg_class c where c.relkind in ('r', 't', 'm')`,
    )
    const oldest = Math.max(xid, multixact)
    const share = (100 * oldest) / 2 ** 31
    const level = judge('transaction-age', share)
    // Where it may grow older before it is frozen, it is no warning that it does.
    const isFrozenLate = oldest < freeze + 2e8 && !moved.some(({ name }) => name === 'transaction-age')
    return {
      level: level === 'warn' && isFrozenLate ? 'ok' : level,
      summary: `The oldest transaction is ${Math.round(xid / 1e6)} million transactions old, ${share.toFixed(0)}% of what the server can count.`,
      details:
        oldest > freeze
          ? [
              'Autovacuum should have frozen it: look for long transactions and prepared ones, then VACUUM (FREEZE).',
            ]
          : [],
      metrics: [
        { name: 'rmbg_oldest_xid_age', value: xid, help: 'Age of the oldest unfrozen transaction.' },
        { name: 'rmbg_oldest_multixact_age', value: multixact, help: 'Age of the oldest multixact.' },
      ],
    }
  },
}

interface SequenceState {
  name: string
  table: string
  column: string
  /** Null where it was never used, or may not be read. */
  last: number | null
  most: number
  mayRead: boolean
}

const sequences: Look = {
  name: 'sequences',
  look: async ({ sql, judge, role }) => {
    const all = await sql<SequenceState[]>`
      select s.sequencename as name, t.relname as table, a.attname as column, s.last_value::float8 as last,
        s.max_value::float8 as most, has_sequence_privilege(c.oid, 'select') as "mayRead"
      from pg_sequences s
      join pg_class c on c.relname = s.sequencename and c.relnamespace = s.schemaname::regnamespace
      join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype in ('a', 'i')
      join pg_class t on t.oid = d.refobjid
      join pg_attribute a on a.attrelid = t.oid and a.attnum = d.refobjsubid
      where s.schemaname = current_schema() and t.relname in ${sql(ownTables)} and s.increment_by > 0 and not s.cycle
        and s.max_value < 9223372036854775807 -- nobody gets there
      order by coalesce(s.last_value, 0)::float8 / s.max_value desc`
    const hidden = all.filter(({ mayRead }) => !mayRead)
    const used = all.map((sequence) => ({ ...sequence, share: (100 * (sequence.last ?? 0)) / sequence.most }))
    const near = used.filter(({ share }) => judge('sequence', share) !== 'ok')
    const furthest = used[0]
    if (!furthest) return fine('No table counts by a sequence.')
    return {
      level: worst([
        ...used.map(({ share }) => judge('sequence', share)),
        hidden.length > 0 ? 'unknown' : 'ok',
      ]),
      summary:
        hidden.length > 0
          ? `Withheld for ${hidden.map(({ name }) => name).join(', ')}: this role may not read ${hidden.length === 1 ? 'it' : 'them'}.`
          : `The sequence ${furthest.name} has used up ${furthest.share.toFixed(0)}% of its values${used.length > 1 ? ', the others less' : ''}.`,
      details: near.map(
        ({ name, table, column, share, most }) =>
          `${name}: ${share.toFixed(1)}% of ${most} are used up. SELECT setval('${name}', max(${column})) FROM ${table} gives back what no row has.`,
      ),
      metrics: used
        .filter(({ mayRead }) => mayRead)
        .map(({ name, share }) => ({
          ...{ name: 'rmbg_sequence_used_ratio', value: share / 100, labels: { sequence: name } },
          help: 'Values of a sequence that are used up, of all.',
        })),
      ...(hidden.length > 0 && {
        grant: `GRANT SELECT ON SEQUENCE ${hidden.map(({ name }) => name).join(', ')} TO ${role}`,
      }),
    }
  },
}

export const counterLooks = [wraparound, sequences]
