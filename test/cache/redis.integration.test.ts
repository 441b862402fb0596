/** A cache that fails is a slower answer, never a wrong one. */
import { execFile } from 'node:child_process'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from '@redis/client'
import { afterEach, expect, it, onTestFinished } from 'vitest'
import { noCache } from '../../src/cache/none.ts'
import { redisCache } from '../../src/cache/redis.ts'
import { describeWith, redisUrl } from '../support/servers.ts'

const scope = () => `test ${crypto.randomUUID()}`
let warnings: string[] = []
afterEach(() => {
  warnings = []
})
const open = (url: string, more: { scope?: string; ttlSeconds?: number } = {}) => {
  const fresh = scope()
  const cache = redisCache({
    url,
    scope: async () => more.scope ?? fresh,
    ttlSeconds: more.ttlSeconds ?? 60,
    onWarning: (message) => warnings.push(message),
  })
  onTestFinished(() => cache.close())
  return cache
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

it('no cache at all makes every answer', async () => {
  let made = 0
  for (const _ of [1, 2]) expect(await noCache.remember('a', 'v', async () => ++made)).toBe(made)
  expect(made).toBe(2)
  expect(await noCache.figures()).toBeUndefined()
})

it('a URL that is none of Redis is refused without being repeated', () => {
  expect(() => open('http://user:secret@host')).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
  expect(() => open('http://user:secret@host')).not.toThrow(/secret/)
})

describeWith('RMBG_TEST_REDIS_URL')('a Redis', () => {
  it('keeps an answer as long as its version stays', async () => {
    const cache = open(redisUrl!)
    let made = 0
    const ask = (version: string) => cache.remember('stats', version, async () => ({ made: ++made }))
    expect(await ask('1')).toEqual({ made: 1 })
    expect(await ask('1')).toEqual({ made: 1 })
    expect(await ask('2')).toEqual({ made: 2 })
    expect(await ask('1')).toEqual({ made: 3 })
    expect(await cache.figures()).toMatchObject({
      ...{ state: 'up', hits: 1, misses: 3 },
      memory: { used: expect.any(Number), most: expect.any(Number), policy: expect.any(String) },
    })
    expect(warnings).toEqual([])
  })

  it('forgets it after its time', async () => {
    const own = scope()
    const cache = open(redisUrl!, { scope: own, ttlSeconds: 1 })
    await cache.remember('job', '1', async () => 'old')
    await sleep(1200)
    expect(await cache.remember('job', '1', async () => 'new')).toBe('new')
  })

  it('tells databases apart', async () => {
    const [one, other] = [open(redisUrl!), open(redisUrl!)]
    await one.remember('job', '1', async () => 'of one')
    expect(await other.remember('job', '1', async () => 'of the other')).toBe('of the other')
  })

  it.each(['not JSON', '[]', '{"version":"1"}', 'null'])('that holds %s holds no answer', async (kept) => {
    const own = scope()
    const client = createClient({ url: redisUrl! })
    await client.connect()
    const cache = open(redisUrl!, { scope: own })
    await cache.remember('job', '0', async () => 'something')
    const { createHash } = await import('node:crypto')
    const key = `rmbg:${createHash('sha256').update(own).digest('hex').slice(0, 12)}:job`
    expect(await client.exists(key)).toBe(1)
    await client.set(key, kept)
    expect(await cache.remember('job', '1', async () => 'right')).toBe('right')
    await client.del(key)
    await client.rPush(key, 'a list')
    expect(await cache.remember('job', '1', async () => 'right')).toBe('right')
    await client.close()
  })

  it('that is killed half-way costs one warning', async () => {
    const port = await freePort()
    const server = execFile('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', ''])
    onTestFinished(() => void server.kill('SIGKILL'))
    await sleep(500)
    const cache = open(`redis://127.0.0.1:${port}`)
    expect(await cache.remember('a', '1', async () => 1)).toBe(1)
    expect(await cache.remember('a', '1', async () => 2)).toBe(1)
    server.kill('SIGKILL')
    await new Promise((resolve) => server.once('exit', resolve))
    for (const answer of [3, 4, 5]) expect(await cache.remember('a', '1', async () => answer)).toBe(answer)
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toContain('Answers come from the database')
  })

  it('that wants another password is told without it', async () => {
    const port = await freePort()
    const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--requirepass', 'right']
    const server = execFile('redis-server', args)
    onTestFinished(() => void server.kill('SIGKILL'))
    await sleep(500)
    const cache = open(`redis://:wrong-password@127.0.0.1:${port}`)
    expect(await cache.remember('a', '1', async () => 'answer')).toBe('answer')
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).not.toContain('wrong-password')
  })
})

it('a Redis that is not there costs one warning', async () => {
  const cache = open(`redis://127.0.0.1:${await freePort()}`)
  for (const answer of [1, 2]) expect(await cache.remember('a', '1', async () => answer)).toBe(answer)
  expect(warnings).toHaveLength(1)
  expect(warnings[0]).toContain('ECONNREFUSED')
  expect(await cache.figures()).toEqual({ state: 'down', reason: 'ECONNREFUSED' })
})

it('a Redis that accepts and never answers costs one warning and no more than its time', async () => {
  const sockets = new Set<{ destroy(): void }>()
  const server: Server = createServer((socket) => void sockets.add(socket)).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const cache = open(`redis://127.0.0.1:${(server.address() as AddressInfo).port}`)
  for (const answer of [1, 2, 3]) expect(await cache.remember('a', '1', async () => answer)).toBe(answer)
  expect(await cache.figures()).toEqual({ state: 'down', reason: 'it does not answer in time' })
  expect(warnings).toHaveLength(1)
  expect(warnings[0]).toContain('does not answer in time')
})
