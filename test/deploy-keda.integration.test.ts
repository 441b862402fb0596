/** The query by which KEDA counts workers, on a real queue. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { getConstructionPlans } from 'pg-boss'
import { v7 as uuidv7 } from 'uuid'
import { expect, it, onTestFinished } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { queuesOf } from '../src/database/campaigns.ts'
import { connectServer } from '../src/database/connect.ts'
import { applyMigrations } from '../src/database/migrate.ts'
import { withSession } from '../src/database/session.ts'
import { root } from './support/cli.ts'
import { describeWith, freshDatabase } from './support/servers.ts'

describeWith('RMBG_TEST_DATABASE_URL')('the scaler of workers', () => {
  it('counts shards that wait and that are in work, of campaigns that run', async () => {
    const fresh = await freshDatabase()
    const database = connectServer(fresh.url)
    onTestFinished(async () => {
      await database.close()
      await fresh.drop()
    })
    const { sql } = database
    await applyMigrations(database)
    // It begins and commits, which needs a session of its own.
    await withSession(sql, async (session) => void (await session.unsafe(getConstructionPlans('pgboss'))))
    const documents = parseAllDocuments(await readFile(join(root, 'deploy/kubernetes/workers.yaml'), 'utf8'))
    const scaled = documents.map((each) => each.toJS()).find(({ kind }) => kind === 'ScaledObject')
    const { query } = scaled.spec.triggers[0].metadata
    const counted = async () => {
      const rows = await sql.unsafe(query)
      expect(rows).toHaveLength(1)
      expect(Object.keys(rows[0] ?? {})).toHaveLength(1) // KEDA takes one number
      return Number(Object.values(rows[0] ?? {})[0])
    }
    expect(await counted()).toBe(0)

    const campaign = async (state: string, isEnded = false) => {
      const id = uuidv7()
      await sql`
        insert into campaigns (campaign_id, name, user_id, params, fingerprint, settings, inputs, shard_size, state, ended_at)
        values (${id}, ${id}, 'shop', '{}', sha256('x'), '{}', '[]', 100, ${state}, ${isEnded ? new Date() : null})`
      for (const name of Object.values(queuesOf(id)))
        await sql`select pgboss.create_queue(${name}, '{"policy": "standard"}'::jsonb)`
      return queuesOf(id)
    }
    const add = (name: string, state: string) =>
      sql`insert into pgboss.job (name, state) values (${name}, ${state}::pgboss.job_state)`
    const running = await campaign('running')
    for (const state of ['created', 'retry', 'active', 'completed', 'failed', 'cancelled'])
      await add(running.shards, state)
    await add(running.suspects, 'created')
    await add(running.dead, 'created')
    await add((await campaign('paused')).shards, 'created')
    await add((await campaign('cancelled')).shards, 'created')
    await add((await campaign('running', true)).shards, 'created')
    expect(await counted()).toBe(4)
  })
})
