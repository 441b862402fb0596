/** Roles besides the owner of the tables: some read, some also run images. What each may do: migrations/0033_roles.sql. */
import type postgres from 'postgres'
import { RmbgError } from '../errors.ts'
import { withDatabase } from './errors.ts'
import { one } from './rows.ts'

export interface Roles {
  /** May run images: read everything, and claim and end jobs by functions. */
  writers: readonly string[]
  /** May read everything. */
  readers: readonly string[]
}

/** As run_functions() and review_functions() in the database have them. */
const runFunctions =
  '{claim_job,claim_jobs,name_original,complete_jobs,fail_job,record_failure,renew_leases,release_jobs,release_jobs_of,stored_original,fold_usage,reserve_sources,renew_source_claims,release_source_claims,ensure_partitions,make_room_for,tag_jobs,judge_jobs,choose_version}'

/** The statements that give roles their rights; everybody else loses the functions that work with the owner's rights. */
export async function grantStatements(sql: postgres.Sql, roles: Roles): Promise<string[]> {
  const wanted = [
    ...roles.readers.map((role) => ({ role, writes: false })),
    ...roles.writers.map((role) => ({ role, writes: true })),
  ]
  const rows = await withDatabase<{ statement: string }>(
    () => sql`
      select g.statement from jsonb_to_recordset(${sql.json(wanted)}) as w (role text, writes boolean),
        grants_for(w.role::name, w.writes) with ordinality as g (statement, place)
      order by w.writes, w.role, g.place`,
  )
  return [...(await closingStatements(sql)), ...rows.map(({ statement }) => statement)]
}

/** Takes the functions that work with the owner's rights from everybody: a restore without grants has given them away. */
export async function closeFunctions(sql: postgres.Sql): Promise<void> {
  for (const statement of await closingStatements(sql)) await withDatabase(() => sql.unsafe(statement))
}

async function closingStatements(sql: postgres.Sql): Promise<string[]> {
  const rows = await withDatabase<{ statement: string }>(
    () => sql`
      select format('revoke all on function %I.%I(%s) from public', n.nspname, p.proname,
        pg_get_function_identity_arguments(p.oid)) as statement
      from pg_proc p join pg_namespace n on n.oid = p.pronamespace
      -- A restored database may have its schema on no search_path yet.
      join pg_proc listing on listing.pronamespace = n.oid and listing.proname = 'run_functions'
      where p.prosecdef and p.proname = any (${runFunctions}::text::text[])
        and exists (select from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
          where a.grantee = 0 and a.privilege_type = 'EXECUTE')
      order by 1`,
  )
  return rows.map(({ statement }) => statement)
}

/**
 * Gives roles their rights, and again those roles that had them before, since a migration may have added what they need.
 * All or none; it may be repeated, and takes nothing away from a role.
 *
 * @throws RmbgError NOT_FOUND for a role that the server does not have; DATABASE_DENIED when this role may not grant
 */
export async function grantRoles(sql: postgres.Sql, { writers, readers }: Roles): Promise<void> {
  const missing = await missingRoles(sql, [...writers, ...readers])
  if (missing.length > 0) {
    throw new RmbgError('NOT_FOUND', `The server has no role ${missing.join(', ')}.`, {
      hint: `Create it first: CREATE ROLE "${missing[0]}" LOGIN PASSWORD '…'.`,
    })
  }
  const before = await grantedRoles(sql)
  const roles = {
    writers: [...new Set([...before.writers, ...writers])],
    readers: [...new Set([...before.readers, ...readers])],
  }
  const statements = await grantStatements(sql, roles)
  if (statements.length === 0) return
  // Statements that are sent together are one transaction.
  await withDatabase(() => sql.unsafe(statements.join(';\n')))
  await assertGranted(sql, roles)
}

/** To a role that may not grant, PostgreSQL says so in a warning. */
async function assertGranted(sql: postgres.Sql, { writers, readers }: Roles): Promise<void> {
  const { owner, isGranted } = one(
    await withDatabase<{ owner: string; isGranted: boolean }>(
      () => sql`
        select pg_get_userbyid(c.relowner) as owner, not exists (
          select from jsonb_array_elements_text(${sql.json([...writers, ...readers])}) role
          where not has_table_privilege(role::name, c.oid, 'select')
        ) and not exists (
          select from jsonb_array_elements_text(${sql.json([...writers])}) role
          where not has_function_privilege(role::name, 'claim_jobs(jsonb)', 'execute')
        ) as "isGranted"
        from pg_class c where c.oid = 'image_process_jobs'::regclass`,
    ),
  )
  if (isGranted) return
  throw new RmbgError('DATABASE_DENIED', 'The database role may not give these rights to others.', {
    hint: `Run it as the owner of the tables, ${owner}.`,
  })
}

async function missingRoles(sql: postgres.Sql, names: readonly string[]): Promise<string[]> {
  const rows = await withDatabase<{ name: string }>(
    () => sql`
      select name from jsonb_array_elements_text(${sql.json([...names])}) name
      where not exists (select from pg_roles where rolname = name)`,
  )
  return rows.map(({ name }) => name)
}

/** The roles that were given rights before. */
async function grantedRoles(sql: postgres.Sql): Promise<Roles> {
  const rows = await withDatabase<{ role: string; writes: boolean }>(
    () => sql`
      select r.rolname as role, has_function_privilege(r.oid, p.oid, 'execute') as writes
      from pg_class c
      join pg_proc p on p.oid = to_regprocedure('claim_jobs(jsonb)'), aclexplode(c.relacl) a
      join pg_roles r on r.oid = a.grantee
      where c.oid = to_regclass('schema_migrations') and a.privilege_type = 'SELECT' and a.grantee <> c.relowner
      order by role`,
  )
  const named = (writes: boolean) => rows.filter((row) => row.writes === writes).map(({ role }) => role)
  return { writers: named(true), readers: named(false) }
}

/**
 * What a role may do besides its own work, in words: nothing is taken away, for somebody may have given it on purpose.
 */
export async function furtherRights(sql: postgres.Sql, role: string): Promise<string | undefined> {
  const { what } = one(
    await withDatabase<{ what: string | null }>(
      () => sql`
        select case
          when r.rolsuper then 'is a superuser, who may do everything'
          when pg_has_role(r.oid, c.relowner, 'member') then 'has the rights of the owner of the tables'
          when has_table_privilege(r.oid, c.oid, 'insert, update, delete, truncate')
            then 'may also change ' || c.relname || ' directly'
        end as what
        from pg_roles r, pg_class c where r.rolname = ${role} and c.oid = 'image_process_jobs'::regclass`,
    ),
  )
  return what ?? undefined
}

/**
 * Makes sure that this role may do what a run does, before an image is read.
 *
 * @throws RmbgError DATABASE_DENIED naming what is missing and the command that grants it
 */
export async function assertMayRun(sql: postgres.Sql): Promise<void> {
  const rows = await withDatabase<{ role: string; missing: string }>(
    () => sql`
      select current_user as role, string_agg(missing, ', ' order by missing) as missing from (
        select 'run ' || p.proname as missing from pg_proc p
        where p.proname = any (run_functions()) and p.pronamespace = (select relnamespace from pg_class where oid = 'image_process_jobs'::regclass)
          and not has_function_privilege(p.oid, 'execute')
        union all
        select 'read ' || t from unnest('{image_process_jobs,tags,image_tags,users,installation}'::text[]) t
        where not has_table_privilege(t, 'select')
        union all
        select 'insert into ' || t from unnest('{tags,image_tags,installation}'::text[]) t
        where not has_table_privilege(t, 'insert')
        union all
        select 'insert into users' where not has_column_privilege('users', 'user_id', 'insert')
      ) m having count(*) > 0`,
  )
  const [lacking] = rows
  if (!lacking) return
  throw new RmbgError(
    'DATABASE_DENIED',
    `The database role ${lacking.role} may not run images; it lacks the rights to ${lacking.missing}.`,
    { hint: `Ask the owner of the tables to run: rmbg migrate --grant-writer ${lacking.role}` },
  )
}
