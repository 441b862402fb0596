/** The health of servers that only a test's own can be: with slots, standbys, prepared transactions and bad settings. */
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { connectServer } from '../../src/database/connect.ts'
import type { ServerDatabase } from '../../src/database/contract.ts'
import type { HealthCheck } from '../../src/database/health/contract.ts'
import { adviseSettings, checkHealth } from '../../src/database/health/index.ts'
import type { MovedThreshold } from '../../src/database/health/thresholds.ts'
import { applyMigrations } from '../../src/database/migrate.ts'
import { suggestionText } from '../../src/terminal/texts/health-text.ts'
import { type Cluster, describeCluster, startCluster } from '../faults/cluster.ts'

describeCluster('the health of a server of its own', () =>
  describe('that is a primary, and its standby', { tags: ['servers'] }, () => {
    let cluster: Cluster
    let database: ServerDatabase
    beforeAll(async () => {
      cluster = await startCluster({
        ...{ max_prepared_transactions: 5, shared_preload_libraries: 'pg_stat_statements' },
      })
      database = connectServer(cluster.urlOf('postgres', 'postgres'))
      await applyMigrations(database)
    })
    afterAll(async () => {
      await database.close()
      await cluster.remove()
    })
    const check = async (name: string, moved: MovedThreshold[] = [], of = database): Promise<HealthCheck> => {
      const found = (await checkHealth(of, { moved })).find((one) => one.name === name)
      if (!found) throw new Error(`There is no check ${name}`)
      return found
    }

    it('sees what fills disks: a slot that nobody reads, and how much WAL it keeps', async () => {
      const { sql } = database
      expect(await check('replication-slots')).toMatchObject({ level: 'ok' })
      await sql`select pg_create_physical_replication_slot('gone', true)`
      await sql`create table filler as select n from generate_series(1, 20000) n`
      const { level, details, metrics } = await check('replication-slots')
      expect([level, details]).toEqual(['warn', [expect.stringMatching(/^physical slot gone, inactive: \d/)]])
      expect(details[0]).toContain("SELECT pg_drop_replication_slot('gone')")
      const kept = metrics.find(({ name }) => name === 'rmbg_replication_slot_wal_bytes')!
      const [row] = await sql`
        select pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::float8 as held from pg_replication_slots`
      expect(kept.value / row!.held).toBeCloseTo(1, 1)
      const critical = await check('replication-slots', [{ name: 'slot-wal', level: 'crit', value: 1000 }])
      expect(critical.level).toBe('crit')
      await sql`select pg_drop_replication_slot('gone')`
    })

    it('sees a transaction that was prepared and forgotten', async () => {
      const { sql } = database
      await sql
        .begin(async (transaction) => {
          await transaction`insert into users (user_id, username) values ('held', 'held')`
          await transaction.unsafe(`prepare transaction 'left behind'`)
        })
        .catch(() => {}) // postgres.js commits what is prepared already
      const now = await check('prepared-transactions')
      expect([now.level, now.summary]).toEqual(['ok', expect.stringContaining('1 transaction prepared')])
      const old = await check('prepared-transactions', [
        { name: 'prepared-transaction', level: 'warn', value: 0 },
      ])
      expect([old.level, old.details[0]]).toEqual([
        'warn',
        expect.stringContaining('left behind of postgres in postgres'),
      ])
      await sql`rollback prepared 'left behind'`
    })

    it('tells slow statements of this program, without their values', async () => {
      const { sql } = database
      expect((await check('statements')).summary).toContain('is not installed')
      await sql`create schema monitoring`
      await sql`create extension pg_stat_statements schema monitoring`
      for (let n = 0; n < 12; n++) await sql.unsafe(`select * from users where username = 'secret ${n}'`)
      await sql`select 'foreign', count(*) from generate_series(1, 10)`
      expect(await check('statements')).toMatchObject({ level: 'ok' })
      const { level, details } = await check('statements', [{ name: 'statement', level: 'warn', value: 0 }])
      expect(level).toBe('warn')
      const text = details.join('\n')
      expect(text).toMatch(/^\d.* ms x 12, \d+% of the time: select \* from users where username = \$1$/m)
      expect(text).not.toMatch(/secret|foreign/)
    })

    it('calls a query of hours critical, not only an idle transaction', async () => {
      const other = connectServer(cluster.urlOf('postgres', 'postgres'), { maxConnections: 1 })
      const slow = other.sql`select pg_sleep(600)`.catch(() => {})
      const moved: MovedThreshold[] = [
        { name: 'query', level: 'warn', value: 0 },
        { name: 'query', level: 'crit', value: 0.01 },
      ]
      await expect.poll(async () => (await check('long-running', moved)).level).toBe('crit')
      expect((await check('long-running', moved)).details.join('\n')).toContain('select pg_sleep(600)')
      await database.sql`select pg_cancel_backend(pid) from pg_stat_activity where query like '%pg_sleep(600)'
        and pid <> pg_backend_pid()`
      await slow
      await other.close()
    })

    it('measures the disk that the data is on, since the server is here', async () => {
      const { summary, metrics } = await check('disk', [{ name: 'disk-free', level: 'warn', value: 101 }])
      const [row] = await database.sql`select current_setting('data_directory') as folder`
      expect(summary).toContain(`on the disk of ${row!.folder}`)
      expect(metrics.map(({ name }) => name)).toEqual([
        ...['rmbg_disk_free_bytes', 'rmbg_disk_size_bytes', 'rmbg_database_bytes', 'rmbg_wal_bytes'],
      ])
    })

    it('takes a standby for a standby, and sees it from its primary until it is gone', async () => {
      const copy = await cluster.startStandby()
      onTestFinished(() => copy.remove())
      const standby = connectServer(copy.urlOf('postgres', 'postgres'))
      await expect.poll(async () => (await check('replication')).summary).toContain('1 standby connected')
      const told = async () => (await check('replication')).metrics.map(({ name }) => name)
      await expect.poll(told).toContain('rmbg_standby_lag_bytes')
      expect((await check('replication-slots')).level).toBe('ok')
      await database.sql`update usage_state set folds = folds + 1`
      await expect
        .poll(async () => (await check('replication', [], standby)).summary)
        .toMatch(/^This is a standby, 0 B and 0 s behind its primary\.$/)
      for (const name of ['vacuum', 'bloat', 'wal-archiving']) {
        const { level, summary } = await check(name, [], standby)
        expect([name, level, summary]).toEqual([
          name,
          'ok',
          expect.stringContaining('primary is to be asked'),
        ])
      }
      const ofStandby = await checkHealth(standby)
      expect(ofStandby.filter(({ level }) => level === 'unknown')).toEqual([])
      await database.sql`select pg_terminate_backend(pid) from pg_stat_replication`
      await standby.sql`alter system set primary_conninfo = 'host=127.0.0.1 port=1'`
      await standby.sql`select pg_reload_conf()`
      await expect
        .poll(async () => (await check('replication', [], standby)).summary)
        .toContain('without a connection to its primary')
      await standby.close()
      await copy.stop()
      await expect.poll(async () => (await check('replication-slots')).level).toBe('warn')
      expect((await check('replication')).summary).toBe('No standby is connected.')
      await database.sql`select pg_drop_replication_slot('standby')`
    })

    it('suggests settings that the server starts with, and that then fit', async () => {
      const machine = { memoryBytes: 2 * 2 ** 30, cores: 8 }
      const of = async () => {
        const fresh = connectServer(cluster.urlOf('postgres', 'postgres'))
        const advice = await adviseSettings(fresh, { machine })
        await fresh.close()
        return advice
      }
      await cluster.include(
        `fsync = off\nfull_page_writes = off\nautovacuum = off\nsynchronous_commit = off\nwal_level = minimal
max_wal_senders = 0\nshared_buffers = 1MB\nwork_mem = 1MB\nmaintenance_work_mem = 1MB\nmax_connections = 20
max_worker_processes = 2\nmax_parallel_workers = 1\nmax_parallel_workers_per_gather = 0\n`,
      )
      await cluster.restart('fast')
      const advice = await of()
      expect(advice.suggestions.map(({ setting, value }) => `${setting} = ${value}`)).toEqual([
        ...['fsync = on', 'full_page_writes = on', 'autovacuum = on', 'synchronous_commit = on'],
        ...[
          'wal_level = replica',
          'wal_compression = on',
          'shared_buffers = 512MB',
          'work_mem = 16MB',
          'maintenance_work_mem = 64MB',
        ],
        ...['max_worker_processes = 8', 'max_parallel_workers = 8', 'max_parallel_workers_per_gather = 4'],
      ])
      await cluster.include(
        suggestionText(advice, { database: 'postgres://a/b\nfsync = off', day: '2026-11-26' }),
      )
      await cluster.restart('fast')
      expect((await of()).suggestions).toEqual([])

      // Each of these is one that max_wal_size could have asked for.
      const { sql } = connectServer(cluster.urlOf('postgres', 'postgres'))
      for (let n = 0; n < 10; n++) await sql`checkpoint`
      await expect
        .poll(async () => (await of()).suggestions.map(({ setting }) => setting))
        .toEqual(['max_wal_size'])
      await sql.end()
    })
  }),
)
