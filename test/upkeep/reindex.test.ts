import { beforeAll, expect, it } from 'vitest'
import { planReindex, type ReindexedIndex } from '../../src/upkeep/reindex.ts'
import { onBothDatabases } from '../database/databases.ts'

const signal = new AbortController().signal
const onIndex = () => {}

onBothDatabases('a plan of reindexing', (database) => {
  const sizeOf = async (name: string) => {
    const [row] = await database().sql`select pg_relation_size(${name}::regclass)::float8 as size`
    return row!.size as number
  }
  /** An index made for 40,000 users, of whom two are left, of one name. */
  const bloat = async () => {
    const { sql } = database()
    await sql`insert into users (user_id, username) select 'user ' || n, 'x' from generate_series(1, 40000) n`
    await sql`delete from users where user_id not in ('user 1', 'user 2')`
    await sql`vacuum analyze users`
  }
  beforeAll(async () => {
    expect((await planReindex(database())).figures).toMatchObject({ indexes: [], leftovers: [], needed: 0 })
    await bloat()
  })

  it('does nothing once it is stopped, and says so', async () => {
    const before = await sizeOf('users_pkey')
    const plan = await planReindex(database())
    expect(await plan.execute({ signal: AbortSignal.abort(), onIndex })).toEqual({
      ...{ dropped: [], indexes: [], interrupted: true },
    })
    expect(await sizeOf('users_pkey')).toBe(before)
  })

  it('drops a leftover, unless it has become a whole index since', async () => {
    const { sql } = database()
    for (const name of ['users_name_ccnew', 'users_name_ccold']) {
      await sql`create unique index concurrently ${sql(name)} on users (username)`.catch(() => {})
    }
    const plan = await planReindex(database())
    expect(plan.figures.leftovers).toEqual(['users_name_ccnew', 'users_name_ccold'])
    await sql`drop index users_name_ccnew`
    await sql`create index users_name_ccnew on users (username)`
    expect(await plan.execute({ signal: AbortSignal.abort(), onIndex })).toMatchObject({
      dropped: ['users_name_ccold'],
    })
    const left = await sql`select relname as name from pg_class where relname like 'users_name_cc%'`
    expect(left.map(({ name }) => name)).toEqual(['users_name_ccnew'])
    await sql`drop index users_name_ccnew`
  })

  it('tells of an index that is gone since', async () => {
    const { sql } = database()
    const plan = await planReindex(database())
    expect(plan.figures.indexes.map(({ name }) => name)).toContain('users_pkey')
    await sql`alter index users_pkey rename to users_key`
    try {
      const [first] = (await plan.execute({ signal, onIndex })).indexes
      expect(first).toEqual({ name: 'users_pkey', before: expect.any(Number), skipped: expect.any(String) })
    } finally {
      await sql`alter index users_key rename to users_pkey`
    }
  })

  it('rebuilds what it showed, each told with its sizes', async () => {
    const plan = await planReindex(database())
    const told: ReindexedIndex[] = []
    const { indexes, interrupted } = await plan.execute({ signal, onIndex: (index) => told.push(index) })
    expect(interrupted).toBe(false)
    expect(indexes).toEqual(told)
    expect(indexes.map(({ name }) => name)).toEqual(plan.figures.indexes.map(({ name }) => name))
    const [first] = indexes
    if (!first || 'skipped' in first)
      throw new TypeError(`Expected a rebuilt index but received ${first?.skipped}`)
    expect(first.after).toBeLessThan(first.before / 2)
    expect(await sizeOf(first.name)).toBe(first.after)
    expect((await planReindex(database())).figures.indexes).toEqual([])
  })
})
