/** The schema: the user's design, exactly, with what later migrations add; the same on both databases. */
import { expect, it } from 'vitest'
import type { Database } from '../../src/database/contract.ts'
import { onBothDatabases } from './databases.ts'

/** Name, type, "not null" and default, as the design states them. */
const design: Record<string, string[]> = {
  image_process_jobs: [
    'job_id uuid not null',
    'user_id character varying(64) not null',
    'original_path character varying(512) not null',
    'mask_path character varying(512)',
    'processed_path character varying(512)',
    'status character varying(32) not null',
    'created_at timestamp with time zone not null default now()', // "not null" is ours: no page would show the row
    'completed_at timestamp with time zone',
    'processing_time_ms integer',
    'image_width integer',
    'image_height integer',
    'file_size_kb integer',
    'params jsonb',
    'error_message text',
  ],
  users: [
    'user_id character varying(64) not null',
    'username character varying(128) not null',
    'email character varying(256)',
    'created_at timestamp with time zone default now()',
    'last_login timestamp with time zone',
  ],
  tags: [
    "tag_id integer not null default nextval('tags_tag_id_seq'::regclass)",
    'name character varying(64) not null',
  ],
  image_tags: ['job_id uuid not null', 'tag_id integer not null'],
  processing_stats: [
    'stat_date date not null',
    'total_jobs integer default 0',
    'completed_jobs integer default 0',
    'avg_processing_time_ms numeric(10,2)',
    'error_rate numeric(5,2)',
  ],
}

/** The indexes of the design, each with those that serve what it serves: several are parts of wider ones. */
const designIndexes: Record<string, string[]> = {
  '(status)': [
    "CREATE INDEX image_process_jobs_pending_idx ON image_process_jobs USING btree (created_at, job_id) WHERE ((status)::text = 'pending'::text)",
    "CREATE INDEX image_process_jobs_processing_idx ON image_process_jobs USING btree (created_at, job_id) WHERE ((status)::text = 'processing'::text)",
    "CREATE INDEX image_process_jobs_failed_idx ON image_process_jobs USING btree (created_at, job_id) WHERE ((status)::text = 'failed'::text)",
    "CREATE INDEX image_process_jobs_completed_at_idx ON image_process_jobs USING btree (completed_at) WHERE ((status)::text = 'completed'::text)",
  ],
  '(user_id), and (user_id, created_at)': [
    'CREATE INDEX image_process_jobs_user_keyset_idx ON image_process_jobs USING btree (user_id, created_at, job_id)',
  ],
  '(created_at)': [
    'CREATE INDEX image_process_jobs_keyset_idx ON image_process_jobs USING btree (created_at, job_id)',
  ],
  "(completed_at) where status = 'completed'": [
    "CREATE INDEX image_process_jobs_completed_at_idx ON image_process_jobs USING btree (completed_at) WHERE ((status)::text = 'completed'::text)",
  ],
  'gin (params)': [
    'CREATE INDEX image_process_jobs_contained_params_idx ON image_process_jobs USING gin (params jsonb_path_ops)',
  ],
  '(file_size_kb > 4096)': [
    'CREATE INDEX image_process_jobs_file_size_kb_idx ON image_process_jobs USING btree (file_size_kb)',
  ],
  'gin (name gin_trgm_ops) on tags': [
    'CREATE INDEX tags_name_trgm_idx ON tags USING gin (name gin_trgm_ops)',
  ],
}

async function columns({ sql }: Database): Promise<Record<string, string[]>> {
  const rows = await sql`
    select c.relname as table, a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
      || case when a.attnotnull then ' not null' else '' end
      || coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '') as column
    from pg_class c
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
    where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace
    order by c.relname collate "C", a.attnum`
  const tables: Record<string, string[]> = {}
  for (const { table, column } of rows) tables[table] = [...(tables[table] ?? []), column]
  return tables
}

async function lines({ sql }: Database, kind: 'indexes' | 'constraints' | 'extensions'): Promise<string[]> {
  const rows = {
    // An index of a constraint is told with the constraint.
    indexes: () => sql`
      select replace(pg_get_indexdef(i.indexrelid), ' public.', ' ') as line from pg_index i
      join pg_class c on c.oid = i.indrelid and c.relnamespace = 'public'::regnamespace
      where i.indisvalid and not exists (select from pg_constraint where conindid = i.indexrelid and contype in ('p', 'u'))`,
    // PostgreSQL 18 lists "not null" (n) here too.
    constraints: () => sql`
      select conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) as line
      from pg_constraint where connamespace = 'public'::regnamespace and contype <> 'n'`,
    extensions: () => sql`select extname as line from pg_extension where extname <> 'plpgsql'`,
  }
  return (await rows[kind]()).map(({ line }) => line).sort()
}

onBothDatabases('the schema', (database) => {
  it("begins every table of the design with the design's columns", async () => {
    const actual = await columns(database())
    for (const [table, wanted] of Object.entries(design)) {
      expect(actual[table]!.slice(0, wanted.length), table).toEqual(wanted)
    }
  })

  it('has every extension of the design, and every index or one that covers it', async () => {
    const indexes = await lines(database(), 'indexes')
    for (const [index, served] of Object.entries(designIndexes)) {
      expect(indexes, index).toEqual(expect.arrayContaining(served))
    }
    expect(await lines(database(), 'extensions')).toEqual(['pg_trgm', 'pgcrypto'])
  })

  it('compares user ids byte by byte', async () => {
    const collations = await database().sql`
      select table_name as table, collation_name as collation from information_schema.columns
      where table_schema = 'public' and column_name = 'user_id' order by 1`
    expect(collations).toEqual([
      { table: 'all_jobs', collation: 'C' },
      { table: 'campaigns', collation: 'C' },
      { table: 'image_process_jobs', collation: 'C' },
      { table: 'open_job_rows', collation: 'C' },
      { table: 'open_jobs', collation: 'C' },
      { table: 'users', collation: 'C' },
    ])
  })

  it('is on both databases as it is written down here', async () => {
    const text = [
      ...Object.entries(await columns(database())).map(([table, list]) =>
        [table, ...list.map((column) => `  ${column}`), ''].join('\n'),
      ),
      ...(await lines(database(), 'constraints')),
      '',
      ...(await lines(database(), 'indexes')),
      '',
    ].join('\n')
    await expect(text).toMatchFileSnapshot('schema.txt')
  })

  it('has the same functions on both', async () => {
    const functions = await database().sql`
      select proname || '(' || pg_get_function_identity_arguments(p.oid) || ')' as name from pg_proc p
      where pronamespace = 'public'::regnamespace
        and not exists (select from pg_depend where objid = p.oid and deptype = 'e')
      order by 1`
    expect(functions.map(({ name }) => name)).toEqual([
      'choose_version(old_job uuid, new_job uuid, of_kind text, who text)',
      'claim_job(request jsonb, gone uuid)',
      'claim_jobs(requests jsonb)',
      'complete_jobs(completions jsonb)',
      'completed_of_source(path text, size bigint, mtime bigint, parameters bytea)',
      'completed_of_sources(wanted jsonb, parameters bytea, kinds text[])',
      'conversion_obstacles()',
      'conversion_references()',
      'convert_log(bound uuid)',
      'copy_rights("from" regclass, "to" regclass)',
      'drop_gone_month(gone bigint)',
      'end_gone_page(gone bigint, last uuid, page_rows integer, page_bytes bigint)',
      'ensure_partitions(months integer)',
      'fail_job(failure jsonb)',
      'fold_usage()',
      'forget_keys_of_gone()',
      'give_tags(given jsonb)',
      'gone_page(gone bigint, most integer)',
      'grants_for(role_name name, writes boolean)',
      'hold_original(key text, content bytea)',
      'jobs_naming(key text, content bytea)',
      'jobs_of_content(content bytea)',
      'jobs_of_cutout(digest bytea)',
      'jobs_of_mask(digest bytea)',
      'jobs_of_source(path text)',
      'judge_jobs(judgements jsonb)',
      'keys_of(content bytea, cutout bytea, mask bytea, path text)',
      'known_key(of integer, seven bytea)',
      'latency_bucket(ms integer)',
      'log_functions()',
      'log_is_partitioned()',
      'log_month(at timestamp with time zone)',
      'log_partitions()',
      'log_views()',
      'make_log_month(at timestamp with time zone)',
      'make_log_partition(parent name, partition name, sibling regclass)',
      'make_room_for(jobs jsonb)',
      'make_tags(names text[])',
      'model_name(params jsonb)',
      'month_bytes(from_id uuid, to_id uuid)',
      'month_figures(month text, from_id uuid, to_id uuid, completed_before timestamp with time zone, failed_before timestamp with time zone, exactly boolean)',
      'month_key(at timestamp with time zone, digest bytea)',
      'month_keys(digest bytea)',
      'name_original(job uuid, of_attempt integer, run uuid, path text)',
      'note_changed_keys()',
      'note_changed_usage()',
      'note_deleted_usage()',
      'note_given_tags()',
      'note_keys_of_past(most integer)',
      'note_known_keys()',
      'note_new_usage()',
      'note_tag_usage()',
      'note_usage(job image_process_jobs, times integer, only_tag text)',
      'partition_table(whole name, bound uuid)',
      'pass_on_deleted_originals()',
      'pass_on_failed_original()',
      'pass_original_on(key text, content bytea)',
      'prepare_conversion()',
      'record_failure(failure jsonb)',
      'release_jobs(run uuid)',
      'release_jobs_of(owners jsonb, longest interval)',
      'release_source_claims(run uuid)',
      'renew_leases(run uuid, lease_ms double precision)',
      'renew_source_claims(run uuid, lease_ms double precision)',
      'reserve_sources(request jsonb)',
      'retire_month(month text, completed_before timestamp with time zone, failed_before timestamp with time zone, most double precision)',
      'review_doubt(review jsonb)',
      'review_functions()',
      'run_functions()',
      'settle_gone_month(gone bigint)',
      'source_key(path text)',
      'source_name(path text)',
      'stored_original(content bytea, owner text)',
      'tag_jobs(ids jsonb, names jsonb)',
      'usage_of(job image_process_jobs)',
      'use_known_keys()',
      'utc_month(at timestamp with time zone, later integer)',
      'uuid7_day(id uuid)',
      'uuid7_floor(at timestamp with time zone)',
      'work_key(content bytea, fingerprint bytea)',
    ])
  })
})

onBothDatabases('the tables', (database) => {
  const insert = (changes: Record<string, unknown>) =>
    database().sql`insert into image_process_jobs ${database().sql({
      job_id: crypto.randomUUID(),
      user_id: 'anna',
      original_path: 'o',
      status: 'failed',
      error_message: 'No.',
      ...changes,
    })} returning job_id`

  it.each([
    ['a status nobody knows', { status: 'done' }, 'image_process_jobs_status_check'],
    ['a completed job without its keys', { status: 'completed', mask_path: 'm' }, 'completed_is_whole'],
    ['a failed job without a sentence', { error_message: null }, 'failed_says_why'],
    ['a job that has not ended', { status: 'pending' }, 'only_what_has_ended'],
    ['a job completed before it was created', { completed_at: new Date(0) }, 'completed_after_created'],
    ['a negative size', { source_size: -1 }, 'sizes_not_negative'],
    ['a message that is no sentence', { error_message: 'x'.repeat(2001) }, 'error_message_is_a_sentence'],
  ])('refuse %s', async (_, changes, constraint) => {
    await expect(insert(changes)).rejects.toMatchObject({ code: '23514', constraint_name: constraint })
  })

  it('hold the views of open jobs and of all jobs to the columns of the log', async () => {
    const columnsOf = async (relation: string) =>
      (await database().sql`
        select attname as name, format_type(atttypid, atttypmod) as type from pg_attribute
        where attrelid = ${relation}::regclass and attnum > 0 and not attisdropped order by attname`) as unknown
    const log = await columnsOf('image_process_jobs')
    for (const view of ['open_job_rows', 'all_jobs']) expect(await columnsOf(view), view).toEqual(log)
  })

  it('refuse a tag for a job that there is not', async () => {
    const { sql } = database()
    const [tag] = await sql`insert into tags (name) values ('of nobody') returning tag_id`
    await expect(
      sql`insert into image_tags values (gen_random_uuid(), ${tag!.tag_id})`,
    ).rejects.toMatchObject({ code: '23503' })
  })

  it('forget the tags and the known files of a job that is deleted', async () => {
    const { sql } = database()
    const [job] = await insert({})
    const [tag] = await sql`insert into tags (name) values ('gone') returning tag_id`
    await sql`insert into image_tags values (${job!.job_id}, ${tag!.tag_id})`
    await sql`insert into known_sources values (gen_random_uuid(), ''::bytea, 1, 1, ${job!.job_id})`
    await sql`delete from image_process_jobs where job_id = ${job!.job_id}`
    for (const table of ['image_tags', 'known_sources']) {
      expect(await sql`select 1 from ${sql(table)} where job_id = ${job!.job_id}`, table).toHaveLength(0)
    }
  })
})
