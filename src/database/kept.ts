/** Column `kept`: which objects of a completed job are in the store. */
import type postgres from 'postgres'

/** Kinds of objects, in the order in which they are named. */
export const keptKinds = ['original', 'mask', 'processed'] as const
export type KeptKind = (typeof keptKinds)[number]

/** Kinds as an array of PostgreSQL. */
export const kindsArray = (sql: postgres.Sql, kinds: readonly KeptKind[]) =>
  sql`${`{${kinds.join(',')}}`}::text::text[]`

/**
 * Where the original is: its key in the store, or the address of the input where it was not copied but is referenced
 * there (`store/referenced.ts`); null where nothing is kept of it. Nothing that is done to the store goes by this.
 *
 * @param job the table, or its alias
 */
export const namedOriginal = (sql: postgres.Sql, job: postgres.PendingQuery<postgres.Row[]>) =>
  sql`case when 'original' = any (${job}.kept) or ${job}.original_path like 's3://%' then ${job}.original_path end`

/**
 * The key of the original, null where it was not kept. The column `original_path` itself is never null: of an original
 * that was not kept it says where that would be.
 *
 * @param job the table, or its alias
 */
export const keptOriginal = (sql: postgres.Sql, job: postgres.PendingQuery<postgres.Row[]>) =>
  sql`case when 'original' = any (${job}.kept) then ${job}.original_path end`
