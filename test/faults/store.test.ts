/** The object store failing under the built program, through a proxy in front of the real one. */

import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { type Finished, finishedAfter, jsonLines, start } from '../support/cli.ts'
import { describeServers, freshInstallation, type Installation } from '../support/fixture-installation.ts'
import { expectInvariants, jobRows } from '../support/job-rows.ts'
import { isLong as long } from '../support/long-mode.ts'
import { ending, eventsOf } from './assert-output.ts'
import { writePictures } from './pictures.ts'
import { type FaultKind, type StoreProxy, startStoreProxy } from './s3-proxy.ts'

// Nothing is timed: a busy machine may take as long as it likes.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 })

const howMany = long ? 60 : 5

let installation: Installation
let proxy: StoreProxy
const run = (...args: string[]): Promise<Finished> => installation.run(args, { S3_ENDPOINT: proxy.url })
const process_ = (...args: string[]) => run('process', ...args, '--model', 'backdrop', '--json')
const summary = (finished: Finished) => eventsOf(finished).findLast(({ type }) => type === 'summary')!

describeServers('an object store that fails', () => {
  beforeAll(async () => {
    installation = await freshInstallation({ migrated: true })
    proxy = await startStoreProxy()
  })
  afterAll(async () => {
    await proxy.close()
    await installation.close()
  })
  afterEach(async () => {
    proxy.fault = undefined
    await expectInvariants(installation.sql, installation.store)
  })

  describe('every 5th time something is written', () => {
    const passing: FaultKind[] = [
      'internal error',
      'slow down',
      'reset mid-body',
      'truncated',
      'flipped byte',
      'wrong ETag',
    ]
    it.each(passing)('by %s is asked again, and every image completed', async (kind) => {
      const folder = `put ${kind}`
      await writePictures(join(installation.folder, folder), howMany)
      proxy.fault = { kind, method: 'PUT', every: 5 }
      const finished = await process_(folder)
      expect(finished.status, finished.stdout + finished.stderr).toBe(0)
      expect(summary(finished)).toMatchObject({ completed: howMany, failed: 0 })
      expect(proxy.met).toBeGreaterThanOrEqual((howMany * 3) / 5)
    })
  })

  describe('every 5th time something is read', () => {
    const passing: FaultKind[] = [
      'internal error',
      'slow down',
      'reset mid-body',
      'truncated',
      'shorter',
      'flipped byte',
    ]
    const expectSame = async (folder: string) => {
      for (const name of await readdir(join(installation.folder, 'whole'))) {
        const whole = await readFile(join(installation.folder, 'whole', name))
        const copies = (await readdir(join(installation.folder, folder))).map((copy) =>
          readFile(join(installation.folder, folder, copy)),
        )
        const isThere = (await Promise.all(copies)).some((copy) => copy.equals(whole))
        expect(isThere, name).toBe(true)
      }
    }
    beforeAll(async () => {
      await writePictures(join(installation.folder, 'kept'), howMany)
      expect((await process_('kept', '--user', 'reader', '-o', 'whole')).status).toBe(0)
    })

    it.each(long ? passing : passing.slice(0, 3))(
      'by %s is asked again, and local cut-outs restored whole',
      async (kind) => {
        proxy.fault = { kind, method: 'GET', every: 5 }
        const finished = await process_('kept', '--user', 'reader', '-o', kind)
        expect(finished.status, finished.stdout + finished.stderr).toBe(0)
        expect(summary(finished)).toMatchObject({ skipped: howMany, failed: 0 })
        expect(proxy.met).toBeGreaterThan(0)
        await expectSame(kind)
      },
    )

    it.each(long ? passing : passing.slice(3))(
      'by %s is asked again, and objects downloaded whole',
      async (kind) => {
        proxy.fault = { kind, method: 'GET', every: 5 }
        const finished = await run('query', '--user', 'reader', '--all', '--download', kind, '--ndjson')
        expect(finished.status, finished.stdout + finished.stderr).toBe(0)
        expect(eventsOf(finished)).toHaveLength(howMany)
        expect(proxy.met).toBeGreaterThanOrEqual(Math.floor((howMany * 3) / 5))
        await expectSame(join(kind, 'processed'))
      },
    )

    it('and when something is written, backups and prunes are carried out whole', async () => {
      for (const kind of long ? passing : (['reset mid-body'] as const)) {
        const vault = join(installation.folder, `vault ${kind}`)
        proxy.fault = { kind, every: 5 }
        const taken = await run('backup', '--to', vault, '--objects')
        expect(taken.status, taken.stdout + taken.stderr).toBe(0)
        expect(proxy.met).toBeGreaterThan(0)
        proxy.fault = undefined
        expect((await run('backup', 'verify', vault)).stdout).toContain('is intact')
      }
      const prune = ['prune', '--older-than', '0s', '--user', 'reader', '--max-share', '100%', '--yes']
      proxy.fault = { kind: 'internal error', every: 2 }
      const pruned = await run(...prune)
      expect(pruned.status, pruned.stdout + pruned.stderr).toBe(0)
    })
  })

  describe('gone in the middle of a run', () => {
    const begun = (folder: string, ...more: string[]) => {
      const args = ['process', folder, '--model', 'backdrop', '--json', '--concurrency', '2', ...more]
      const env = { ...installation.env, S3_ENDPOINT: proxy.url }
      return start(args, { cwd: installation.folder, env })
    }
    const interrupted = (folder: string, ms: number, ...more: string[]) =>
      finishedAfter(begun(folder, ...more), 2, () => proxy.away(ms))
    const notices = (finished: Finished) =>
      eventsOf(finished).flatMap(({ type, code }) => (type === 'notice' ? [code] : []))

    it('for ten seconds is waited for', async () => {
      await writePictures(join(installation.folder, 'restarted'), 12)
      const finished = await interrupted('restarted', 10_000)
      expect(finished.status, finished.stdout + finished.stderr).toBe(0)
      expect(summary(finished)).toMatchObject({ completed: 12, failed: 0 })
      expect(notices(finished)).toEqual(['server-away', 'server-back'])
    })

    it.each(['reset', 'bad gateway'] as const)('for four seconds (%s) is waited for', async (kind) => {
      await writePictures(join(installation.folder, kind), 12)
      const finished = await finishedAfter(begun(kind), 2, async () => {
        proxy.fault = { kind, every: 1 }
        await sleep(4000)
        expect(proxy.met).toBeGreaterThan(0)
        proxy.fault = undefined
      })
      expect(finished.status, finished.stdout + finished.stderr).toBe(0)
      expect(summary(finished)).toMatchObject({ completed: 12, failed: 0 })
    })

    it('before a run begins is waited for', async () => {
      await writePictures(join(installation.folder, 'later'), 2)
      const [finished] = await Promise.all([process_('later'), proxy.away(6000)])
      expect(finished.status, finished.stdout + finished.stderr).toBe(0)
      expect(notices(finished)).toEqual(['server-away', 'server-back'])
    })

    /** Sends SIGINT when the run says that it waits for the store. */
    const stoppedInAbsence = async (folder: string, ...more: string[]) => {
      const run = begun(folder, ...more)
      let signalledAt = 0
      run.stdout!.on('data', (text: Buffer) => {
        if (!text.toString().includes('server-away')) return
        signalledAt = Date.now()
        run.kill('SIGINT')
      })
      const { exitCode, stdout, stderr } = await run
      expect(exitCode, String(stderr)).toBe(130)
      expect(Date.now() - signalledAt).toBeLessThan(5000)
      const events = jsonLines(String(stdout))
      expect(events.filter(({ status }) => status === 'failed')).toEqual([])
      return events.at(-1)!
    }

    it('before a run begins ends it at once by Ctrl-C', async () => {
      await writePictures(join(installation.folder, 'stopped'), 2)
      const away = proxy.away(8_000)
      expect(await stoppedInAbsence('stopped')).toMatchObject({ code: 'STORE_UNAVAILABLE' })
      await away
    })

    it('ends the run at once by Ctrl-C, and leaves what was in work to the next one', async () => {
      await writePictures(join(installation.folder, 'in-work'), 4)
      proxy.fault = { kind: 'reset', method: 'PUT', every: 1, after: 3 }
      const { completed, failed, remaining } = await stoppedInAbsence('in-work')
      expect([completed + remaining, failed]).toEqual([4, 0])
      const rows = await jobRows(installation.sql)
      const ours = rows.flatMap(({ source_path, status }) =>
        source_path.includes('/in-work/') ? status : [],
      )
      expect(ours).toContain('pending')
      expect(ours.filter((status) => status !== 'pending')).toEqual(Array(completed).fill('completed'))
    })

    it('ends the run by Ctrl-C also while it restores local cut-outs, which are no failures', async () => {
      await writePictures(join(installation.folder, 'restored'), 12)
      expect((await process_('restored')).status).toBe(0)
      proxy.fault = { kind: 'reset', method: 'GET', every: 1 }
      expect(await stoppedInAbsence('restored', '-o', 'restored-cut')).toMatchObject({ failed: 0 })
    })

    it('for longer than it is waited for ends the run with one sentence', async () => {
      await writePictures(join(installation.folder, 'away'), 12)
      const finished = await interrupted('away', 30_000, '--patience', '2s')
      expect(finished.status, finished.stdout + finished.stderr).toBe(5)
      expect(ending(finished)).toMatch(/cannot be reached or does not answer \(ECONNREFUSED\)/)
      expect((await process_('away')).status).toBe(0)
    })
  })

  describe('for good', () => {
    const three = 'The object store failed 3 images in a row, so the run stopped: '
    const lasting: [FaultKind, RegExp][] = [
      ['internal error', /does not answer \(InternalError, HTTP 500\)\. \[STORE_UNAVAILABLE\]$/],
      // With the longer pauses that it asks for.
      ...(long
        ? [['slow down', /\(SlowDown, HTTP 503\)\. \[STORE_UNAVAILABLE\]$/] as [FaultKind, RegExp]]
        : []),
      ['reset mid-body', /does not answer \((ECONNRESET|EPIPE)\)\. \[STORE_UNAVAILABLE\]$/],
      ['flipped byte', /is not what was sent\. \[STORE_CHECKSUM\]$/],
      ['wrong ETag', /is not what was sent\. \[STORE_CHECKSUM\]$/],
      ['expired token', /^The credentials for s3:.* have expired\. \[STORE_DENIED\]$/],
      ['unknown key', /does not know the access key\. \[STORE_DENIED\]$/],
      ['wrong clock', /^The clock of this machine differs too much from that of .* \[STORE_DENIED\]$/],
      ['no bucket', /^The bucket of .* does not exist\. \[STORE_DENIED\]$/],
      ['no room', /has no room left\. \[STORE_FULL\]$/],
    ]
    const count = 3 * lasting.length
    beforeAll(() => writePictures(join(installation.folder, 'never'), count))

    it.each(lasting)('by %s ends the run with one sentence', async (kind, sentence) => {
      proxy.fault = { kind, method: 'PUT', every: 1, after: 3 }
      const finished = await process_('never', '--concurrency', '1', '--patience', '1s')
      expect(finished.status, finished.stdout + finished.stderr).toBe(5)
      const end = ending(finished)
      expect(end).toMatch(sentence)
      const { completed, failed } = summary(finished)
      // What every image would meet ends it at once; what may be one object's own is given three images.
      expect({ completed, failed }).toEqual({ completed: 1, failed: end.startsWith(three) ? 3 : 0 })
      expect(finished.status).toBe(5)
    })

    it('and then no more, the same command finishes everything', async () => {
      const finished = await process_('never')
      expect(finished.status, finished.stderr).toBe(0)
      const { completed, skipped } = summary(finished)
      expect([completed, skipped]).toEqual([count - lasting.length, lasting.length])
    })
  })
})
