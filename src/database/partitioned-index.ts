/** Indexes of a log in months, which PostgreSQL builds beside the work of others only month by month. */
import type postgres from 'postgres'

/** One of `create index concurrently if not exists … on … …`. */
interface IndexStatement {
  index: string
  table: string
  unique: string
  /** From the method or the columns on. */
  rest: string
}

const creation =
  /^create\s+(unique\s+|)index\s+concurrently\s+if\s+not\s+exists\s+(\w+)\s+on\s+(\w+)\s*([\s\S]*)$/i
const removal = /^drop\s+index\s+concurrently\s+(?:if\s+exists\s+)?(\w+)$/i

/**
 * Carries out a statement about an index of a partitioned table, which may be repeated.
 *
 * @returns false, with nothing done, for any other statement
 */
export async function onMonths(connection: postgres.ReservedSql, statement: string): Promise<boolean> {
  const [, unique = '', index, table, rest = ''] = creation.exec(statement) ?? []
  if (index !== undefined && table !== undefined && (await isPartitioned(connection, table))) {
    await build(connection, { index, table, unique, rest })
    return true
  }
  const [, dropped] = removal.exec(statement) ?? []
  if (dropped === undefined || !(await isPartitioned(connection, dropped))) return false
  await connection`drop index if exists ${connection(dropped)}`
  return true
}

/** Also of an index. */
async function isPartitioned(connection: postgres.ReservedSql, relation: string): Promise<boolean> {
  const found = await connection`
    select 1 from pg_class where oid = to_regclass(${relation}) and relkind in ('p', 'I')`
  return found.length > 0
}

/** That of the whole is valid once each month has one; months that are made meanwhile bring their own. */
async function build(
  connection: postgres.ReservedSql,
  { index, table, unique, rest }: IndexStatement,
): Promise<void> {
  await connection.unsafe(`create ${unique}index if not exists ${index} on only ${table} ${rest}`)
  const partitions = await connection<{ name: string; isDone: boolean; isBroken: boolean }[]>`
    select c.relname as name,
      exists (select from pg_inherits h join pg_index x on x.indexrelid = h.inhrelid
        where h.inhparent = ${index}::regclass and x.indrelid = c.oid) as "isDone",
      exists (select from pg_index x where x.indexrelid = to_regclass(left(c.relname || '_' || ${index}, 63))
        and not x.indisvalid) as "isBroken"
    from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = ${table}::regclass order by 1`
  for (const { name, isDone, isBroken } of partitions) {
    if (isDone) continue
    const own = `${name}_${index}`.slice(0, 63)
    // What a killed build left.
    if (isBroken) await connection`drop index concurrently ${connection(own)}`
    await connection.unsafe(`create ${unique}index concurrently if not exists ${own} on ${name} ${rest}`)
    await connection`alter index ${connection(index)} attach partition ${connection(own)}`
  }
}
