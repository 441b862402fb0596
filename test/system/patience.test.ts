import { getMaxListeners } from 'node:events'
/** How long a server that is away is waited for, and what is said meanwhile. */
import { describe, expect, it } from 'vitest'
import { type PatienceOptions, patience } from '../../src/system/patience.ts'

const away = new Error('away')
const awayOf = (error: unknown) =>
  error === away ? { server: 'The server', sentence: 'The server is away.' } : undefined

/** A server that is away for so many questions. */
const after = (failures: number) => {
  let asked = 0
  return async () => {
    if (++asked <= failures) throw away
    return asked
  }
}

function withNews(options: Omit<PatienceOptions, 'tell'>) {
  const news: string[] = []
  return { ask: patience({ ...options, tell: ({ code }) => news.push(code) }), news }
}

describe('patience', () => {
  it('asks again until there is an answer, and says so twice', async () => {
    const messages: string[] = []
    const ask = patience({ forMs: 60_000, tell: ({ message }) => messages.push(message) })
    expect(await ask(after(3), awayOf)).toBe(4)
    expect(messages).toEqual([
      'The server is away. Waiting up to 1 minute for the server.',
      'The server answers again.',
    ])
  })

  it('says it once for all who wait', async () => {
    const { ask, news } = withNews({ forMs: 60_000 })
    const server = after(3)
    await Promise.all([ask(server, awayOf), ask(server, awayOf), ask(server, awayOf)])
    expect(news.filter((code) => code === 'server-away')).toHaveLength(1)
    expect(news.at(-1)).toBe('server-back')
  })

  it('ends with the last error, and then has none left until the server answers', async () => {
    const { ask, news } = withNews({ forMs: 300 })
    const startedAt = Date.now()
    await expect(ask(after(Number.POSITIVE_INFINITY), awayOf)).rejects.toBe(away)
    expect(Date.now() - startedAt).toBeGreaterThanOrEqual(300)
    await expect(ask(after(1), awayOf)).rejects.toBe(away)
    expect(news).toEqual(['server-away'])
    await ask(after(0), awayOf)
    expect(await ask(after(1), awayOf)).toBe(2)
  })

  it('of nothing asks once', async () => {
    const { ask, news } = withNews({ forMs: 0 })
    await expect(ask(after(1), awayOf)).rejects.toBe(away)
    await ask(after(0), awayOf)
    await expect(ask(after(1), awayOf)).rejects.toBe(away)
    expect(news).toEqual([])
  })

  it('does not wait for what is no matter of time', async () => {
    const denied = new Error('denied')
    const { ask } = withNews({ forMs: 60_000 })
    await expect(ask(() => Promise.reject(denied), awayOf)).rejects.toBe(denied)
  })

  it('ends at once when it is told to, also while a server is silent', async () => {
    const controller = new AbortController()
    const { ask } = withNews({ forMs: 60_000, signal: controller.signal })
    let asked = 0
    const silent = () => (++asked === 1 ? Promise.reject(away) : new Promise<never>(() => {}))
    const pausing = ask(after(Number.POSITIVE_INFINITY), awayOf)
    const hanging = ask(silent, awayOf)
    setTimeout(() => controller.abort(), 200)
    await expect(pausing).rejects.toBe(away)
    await expect(hanging).rejects.toBe(away)
  })

  it('leaves a signal as others can still ask for its limit of listeners', () => {
    const { signal } = new AbortController()
    patience({ forMs: 1, signal })
    expect(getMaxListeners(signal)).toBeGreaterThan(100)
  })
})
