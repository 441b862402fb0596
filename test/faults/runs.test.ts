/** Many runs at once: over one folder they share the work. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Finished, finishedAfter, jsonLines } from '../support/cli.ts'
import { describeServers } from '../support/fixture-installation.ts'
import { embeddedVariant, expectWhole, isIn, picturesIn, serverVariant, type Variant } from './variants.ts'

const command = ['process', 'photos', '--model', 'backdrop', '--json']

describeServers('ten runs at once over one folder', () => {
  let variant: Variant
  beforeAll(async () => {
    variant = await serverVariant()
    await picturesIn(variant, 'photos', 40)
  })
  afterAll(() => variant.close())

  it('do every image exactly once between them', async () => {
    const runs = await Promise.all(
      Array.from({ length: 10 }, () => variant.run([...command, '--threads', '1', '--concurrency', '2'])),
    )
    for (const { status, stderr } of runs) expect(status, stderr).toBe(0)
    const events = runs.flatMap(({ stdout }) => jsonLines(stdout))
    const completed = events.filter(({ status }) => status === 'completed')
    expect(new Set(completed.map(({ input }) => input)).size).toBe(40)
    expect(completed).toHaveLength(40)
    const summaries = events.filter(({ type }) => type === 'summary')
    expect(summaries.map((summary) => summary.completed + summary.skipped)).toEqual(Array(10).fill(40))
    const rows = await variant.look(expectWhole)
    expect(rows.map(({ attempt }) => attempt)).toEqual(Array(40).fill(1))
  })

  it('of which some are killed lose nothing: the others take their images up', async () => {
    await picturesIn(variant, 'more', 20)
    const more = ['process', 'more', ...command.slice(2), '--threads', '1', '--concurrency', '2']
    const runs = Array.from({ length: 5 }, (_, index) =>
      // One dies over its first image, one over its second, one behind its third; two live.
      variant.start(
        more,
        [
          { RMBG_FAIL_POINT: 'process:claimed' },
          { RMBG_FAIL_POINT: 'process:stored@2' },
          { RMBG_FAIL_POINT: 'process:completed@3' },
          {},
          {},
        ][index] as Record<string, string>,
      ),
    )
    const ends = await Promise.all(runs)
    expect(ends.slice(3).map(({ exitCode }) => exitCode)).toEqual([0, 0])
    const rows = (await variant.look(expectWhole)).filter(isIn(variant, 'more'))
    expect(rows.map(({ status }) => status)).toEqual(Array(20).fill('completed'))
  })
})

describe('runs at once on the embedded database', () => {
  let variant: Variant
  beforeAll(async () => {
    variant = await embeddedVariant()
  })
  afterAll(() => variant.close())

  it('share the work, each image once, while others look at the log', async () => {
    await picturesIn(variant, 'shared', 12)
    const shared = ['process', 'shared', ...command.slice(2), '--threads', '1', '--concurrency', '2']
    const first = variant.start(shared)
    const others: Finished[] = []
    const finishedFirst = await finishedAfter(first, 1, async () => {
      const second = variant.run(shared)
      others.push(
        ...(await Promise.all([['query'], ['stats'], ['tag', 'list']].map((args) => variant.run(args)))),
      )
      others.push(await second)
    })
    for (const { status, stderr } of [finishedFirst, ...others]) expect(status, stderr).toBe(0)
    const runs = [finishedFirst, others.at(-1)!].map(({ stdout }) => jsonLines(stdout))
    expect(runs.flat().filter(({ status }) => status === 'completed')).toHaveLength(12)
    const summaries = runs.map((events) => events.at(-1)!)
    expect(summaries.map(({ completed, skipped }) => completed + skipped)).toEqual([12, 12])
    const rows = (await variant.look(expectWhole)).filter(isIn(variant, 'shared'))
    expect(rows.map(({ attempt }) => attempt)).toEqual(Array(12).fill(1))
  })

  it('go on when the one that has it is killed: another takes it and its images', async () => {
    await picturesIn(variant, 'killed', 10)
    const killed = ['process', 'killed', ...command.slice(2), '--threads', '1', '--concurrency', '2']
    const first = variant.start(killed, { RMBG_FAIL_POINT: 'process:stored@4' })
    // Its first word comes when it has the database.
    await new Promise<void>((resolve) => first.stdout!.once('data', () => resolve()))
    const second = await variant.run(killed)
    expect((await first).signal).toBe('SIGKILL')
    expect(second.status, second.stderr).toBe(0)
    const rows = (await variant.look(expectWhole)).filter(isIn(variant, 'killed'))
    expect(rows.map(({ status }) => status)).toEqual(Array(10).fill('completed'))
  })

  it('are refused with who has it while that one is stopped, and do everything when it is killed', async () => {
    const first = variant.start(command)
    await new Promise<void>((resolve) => first.stdout!.once('data', () => resolve()))
    first.kill('SIGSTOP')
    const second = await variant.run(['process', 'photos', '--model', 'backdrop'])
    expect(second.status).toBe(4)
    expect(second.stderr).toMatch(
      new RegExp(`in use by "rmbg process", process ${first.pid}, since 20.*stopped`),
    )
    expect(second.stderr).toContain('DATABASE_URL')
    first.kill('SIGKILL')
    await first
    expect((await variant.run(command)).status).toBe(0)
    const rows = (await variant.look(expectWhole)).filter(isIn(variant, 'photos'))
    expect(rows.map(({ status }) => status)).toEqual(Array(3).fill('completed'))
  })
})
