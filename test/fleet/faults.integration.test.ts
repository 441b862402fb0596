/** What happens around workers: the database dies, a pooler stands before it, a network is cut. */
import { randomBytes } from 'node:crypto'
import { execa } from 'execa'
import { expect, it, onTestFinished } from 'vitest'
import { connectServer } from '../../src/database/connect.ts'
import { grantRoles } from '../../src/database/grants.ts'
import { describeCluster, startCluster } from '../faults/cluster.ts'
import { describeWith, pooled } from '../support/servers.ts'
import { describeFleet, fleetNode, freshFleet, isImage } from './fleet.ts'

/** Of Linux alone. */
const iproute = 'ip'
const hasNamespaces = await execa(iproute, ['netns', 'list']).then(
  () => process.getuid?.() === 0,
  () => false,
)

if (fleetNode !== undefined) {
  describeCluster('a fleet on a database that dies', () => {
    it('2 of 4 workers are killed, then the database: every picture is done once, none is dead', {
      timeout: 240_000,
      tags: ['servers'],
    }, async () => {
      const cluster = await startCluster()
      onTestFinished(cluster.remove)
      const fleet = await freshFleet({ images: 120 }, cluster.urlOf('postgres', 'postgres'))
      await fleet.enqueue({ shard: 10 })
      const workers = Array.from({ length: 4 }, () =>
        fleet.start({ do: 'work', modelMs: 150, concurrency: 2, connections: 4 }),
      )
      await Promise.all(workers.map(({ until }) => until(isImage, 2)))
      workers[0]!.run.kill('SIGKILL')
      workers[1]!.run.kill('SIGKILL')
      await workers[2]!.until(isImage, 5)
      await cluster.restart('immediate')
      await Promise.all(workers.slice(2).map(({ run }) => run))
      expect(workers[2]!.told.at(-1)).toMatchObject({ type: 'ended' })
      expect(workers[3]!.told.at(-1)).toMatchObject({ type: 'ended' })
      expect(await fleet.jobs()).toEqual([{ status: 'completed', jobs: 120, contents: 120 }])
      const lost = await fleet.sql`
        select 1 from campaign_failures union all select 1 from pgboss.job where name like '%/dead'`
      expect(lost).toEqual([])
    })
  })
}

describeFleet('a fleet', () => {
  it.skipIf(!hasNamespaces)(
    'a worker whose network is cut, and comes back, does nothing twice',
    { timeout: 240_000 },
    async () => {
      const fleet = await freshFleet({ images: 30 })
      await fleet.enqueue({ shard: 10 })
      const network = await namespace()
      const url = new URL(fleet.url)
      const port = await forward(url, network.host)
      const cut = fleet.start(
        {
          do: 'work',
          modelMs: 300,
          concurrency: 2,
          url: `postgres://${url.username}@${network.host}:${port}${url.pathname}`,
        },
        {},
        [iproute, 'netns', 'exec', network.name],
      )
      await cut.until(isImage, 2)
      await network.cut()
      const other = fleet.start({ do: 'work' })
      await other.until(isImage, 20)
      await network.mend()
      await Promise.all([cut.run, other.run])
      expect(await fleet.jobs()).toEqual([{ status: 'completed', jobs: 30, contents: 30 }])
      const { completed, skipped } = await fleet.progress()
      expect(completed + skipped).toBe(30)
      const [left] = await fleet.sql`select count(*)::int as leases from open_jobs where claim_id is not null`
      expect(left).toEqual({ leases: 0 })
    },
  )

  it('a writer enqueues and works, and a reader looks on', { timeout: 60_000 }, async () => {
    const fleet = await freshFleet({ images: 4 })
    const suffix = randomBytes(4).toString('hex')
    const roles = { writer: `fleet_writer_${suffix}`, reader: `fleet_reader_${suffix}` }
    for (const role of Object.values(roles)) await fleet.sql`create role ${fleet.sql(role)} login`
    onTestFinished(async () => {
      // Callbacks run last to first: the database, with what was granted in it, is still there.
      for (const role of Object.values(roles)) {
        await fleet.sql`drop owned by ${fleet.sql(role)}`
        await fleet.sql`drop role ${fleet.sql(role)}`
      }
    })
    await grantRoles(fleet.sql, { writers: [roles.writer], readers: [roles.reader] })
    // Made by its owner afterwards: those who may use the log may use the queue.
    await fleet.enqueue()
    const as = (role: string) => Object.assign(new URL(fleet.url), { username: role }).href
    const second = await fleet.enqueue({ url: as(roles.writer), name: 'second' })
    expect(second.enqueued, second.stderr).toMatchObject({ images: 4 })
    const worker = fleet.start({ do: 'work', url: as(roles.writer), name: 'second' })
    expect((await worker.run).stderr).toBe('')
    expect(worker.told.at(-1)).toMatchObject({ type: 'ended', completed: 4 })
    const reader = connectServer(as(roles.reader), { maxConnections: 2 })
    const { campaignReport } = await import('../../src/fleet/report.ts')
    const report = await campaignReport(reader, 'second', { lostLimit: 10 })
    await expect(reader.sql`delete from pgboss.job`).rejects.toThrow('permission denied')
    await reader.close()
    expect(report).toMatchObject({ state: 'done', images: 4, completed: 4, remaining: 0 })
  })
})

describeWith('RMBG_TEST_POOLER_URL')('a fleet behind a transaction pooler', () => {
  it.skipIf(fleetNode === undefined)('does the same', { timeout: 60_000 }, async () => {
    const fleet = await freshFleet({ images: 20 })
    const url = pooled(fleet.url).href
    const { enqueued, stderr } = await fleet.enqueue({ url, shard: 5 })
    expect(enqueued, stderr).toMatchObject({ images: 20 })
    const workers = [1, 2].map(() => fleet.start({ do: 'work', url, connections: 4 }))
    for (const { run } of workers) expect((await run).stderr).toBe('')
    expect(await fleet.jobs()).toEqual([{ status: 'completed', jobs: 20, contents: 20 }])
  })
})

/** A network of its own for one process, with a cable that can be pulled. */
async function namespace() {
  const name = `rmbg${randomBytes(3).toString('hex')}`
  const [outside, inside] = [`v${name}o`.slice(0, 15), `v${name}i`.slice(0, 15)]
  const subnet = `10.213.${randomBytes(1)[0]}`
  const ip = (...args: string[]) => execa(iproute, args)
  await ip('netns', 'add', name)
  onTestFinished(async () => {
    await execa(iproute, ['link', 'del', outside], { reject: false })
    await execa(iproute, ['netns', 'del', name], { reject: false })
  })
  await ip('link', 'add', outside, 'type', 'veth', 'peer', 'name', inside, 'netns', name)
  await ip('addr', 'add', `${subnet}.1/24`, 'dev', outside)
  await ip('link', 'set', outside, 'up')
  await ip('-n', name, 'addr', 'add', `${subnet}.2/24`, 'dev', inside)
  await ip('-n', name, 'link', 'set', inside, 'up')
  await ip('-n', name, 'link', 'set', 'lo', 'up')
  return {
    name,
    host: `${subnet}.1`,
    cut: () => ip('link', 'set', outside, 'down'),
    mend: () => ip('link', 'set', outside, 'up'),
  }
}

/** Leads connections to the database server of the tests, which listens on this machine only. @returns the port */
async function forward(to: URL, host: string): Promise<number> {
  const { createServer, connect } = await import('node:net')
  const server = createServer((socket) => {
    const target = connect(Number(to.port), to.hostname)
    socket.pipe(target).pipe(socket)
    socket.on('error', () => target.destroy())
    target.on('error', () => socket.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, host, resolve))
  onTestFinished(() => void server.close())
  return (server.address() as { port: number }).port
}
