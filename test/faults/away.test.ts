/** A database server that is away when a command begins, or goes away under it. */
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it, onTestFinished, vi } from 'vitest'
import { startProxy } from '../database/proxy.ts'
import { finishedAfter, rmbg, start, temporaryFolder } from '../support/cli.ts'
import { describeServers, freshInstallation } from '../support/fixture-installation.ts'
import { expectInvariants } from '../support/job-rows.ts'
import { redisUrl } from '../support/servers.ts'
import { ending, eventsOf } from './assert-output.ts'
import { writePictures } from './pictures.ts'

vi.setConfig({ testTimeout: 120_000 })

const args = ['process', 'photos', '--model', 'backdrop', '--json', '--concurrency', '2']

describeServers('a database server that is away', () => {
  const installed = async (photos: number) => {
    const installation = await freshInstallation({ migrated: true })
    onTestFinished(installation.close)
    await writePictures(join(installation.folder, 'photos'), photos)
    const proxy = await startProxy(installation.database.url)
    const options = { cwd: installation.folder, env: { ...installation.env, DATABASE_URL: proxy.url } }
    return { installation, proxy, options }
  }
  const news = (finished: Parameters<typeof eventsOf>[0]) =>
    eventsOf(finished).flatMap(({ type, code }) => (type === 'notice' ? [code] : []))

  it('when a run begins is waited for, and said so', async () => {
    const { proxy, options } = await installed(2)
    await proxy.stop()
    const [finished] = await Promise.all([rmbg(args, options), sleep(4000).then(proxy.start)])
    expect(finished.status, finished.stdout + finished.stderr).toBe(0)
    expect(news(finished)).toEqual(['server-away', 'server-back'])
    expect(finished.stdout).toMatch(
      /"The database server at 127\.0\.0\.1:\d+ cannot be reached: connect ECONNREFUSED [\d.:]+\. Waiting up to 2 minutes for the database server\."/,
    )
  })

  it('in the middle of a run is waited for', async () => {
    const { installation, proxy, options } = await installed(12)
    const finished = await finishedAfter(start(args, options), 2, async () => {
      await proxy.stop()
      await sleep(3000)
      await proxy.start()
    })
    expect(finished.status, finished.stdout + finished.stderr).toBe(0)
    expect(news(finished)).toEqual(['server-away', 'server-back'])
    const rows = await expectInvariants(installation.sql, installation.store)
    expect(rows.map(({ status }) => status)).toEqual(Array(12).fill('completed'))
  })

  it('for longer than it is waited for is told in a sentence', async () => {
    const { proxy, options } = await installed(1)
    await proxy.stop()
    const begun = Date.now()
    const finished = await rmbg([...args, '--patience', '2s'], options)
    expect(finished.status, finished.stdout + finished.stderr).toBe(4)
    expect(ending(finished)).toMatch(/cannot be reached: connect ECONNREFUSED .* \[DATABASE_UNAVAILABLE\]$/)
    expect(Date.now() - begun).toBeGreaterThan(2000)
  })

  it('is not waited for by health, which is there to tell', async () => {
    const { proxy, options } = await installed(1)
    await proxy.stop()
    const env = { ...options.env, REDIS_URL: redisUrl }
    const { status, stdout, stderr } = await rmbg(['health', '--monitor'], { ...options, env })
    expect(status).toBe(2)
    expect(stdout + stderr).not.toContain('Waiting')
    // What else it looks at is told all the same.
    expect(stdout).toContain('redis-cache')
  })

  it('is not waited for any longer after Ctrl-C', async () => {
    const { proxy, options } = await installed(1)
    await proxy.stop()
    const run = start(args, options)
    await once(run.stdout!, 'data')
    const stoppedAt = Date.now()
    run.kill('SIGINT')
    const { exitCode, stderr } = await run
    expect(exitCode).toBe(130)
    expect(String(stderr)).toContain('Stopped. Run the same command again to continue.')
    expect(Date.now() - stoppedAt).toBeLessThan(5000)
  })
})

it('a server that closes every connection during the login is asked a few times and told in a sentence', async () => {
  let connections = 0
  const server = createServer((socket) => {
    connections++
    socket.on('error', () => {}).once('data', () => socket.end())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const { port } = server.address() as { port: number }
  const { status, stderr } = await rmbg(['query', '--patience', '3s'], {
    cwd: await temporaryFolder(),
    env: { DATABASE_URL: `postgres://u:p@127.0.0.1:${port}/x` },
  })
  expect(status).toBe(4)
  expect(stderr).toContain('it closed the connection during the login. [DATABASE_UNAVAILABLE]')
  expect(stderr.match(/Waiting up to 3 seconds/g)).toHaveLength(1)
  expect(connections).toBeLessThan(60)
})
