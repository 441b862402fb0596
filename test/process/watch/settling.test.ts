import { describe, expect, it } from 'vitest'
import { type FileState, settling } from '../../../src/process/watch/settling.ts'

/** Files and a clock that only tests change. */
function world() {
  const files = new Map<string, FileState>()
  let now = 0
  return {
    files,
    write: (path: string, size: number) => files.set(path, { size, mtimeNs: BigInt(now) }),
    pass: (ms: number) => {
      now += ms
    },
    pending: settling(1000, { look: async (path) => files.get(path), clock: () => now }),
  }
}

describe('a file that is being written', () => {
  it('is ready once nothing has changed for as long as it has to settle, and then only once', async () => {
    const { write, pass, pending } = world()
    for (let size = 1; size <= 5; size++) {
      write('a.jpg', size)
      pending.touch('a.jpg')
      pass(900)
      expect(await pending.settled()).toEqual([])
    }
    pass(999)
    expect(await pending.settled()).toEqual([])
    pass(1)
    expect(await pending.settled()).toEqual(['a.jpg'])
    expect(pending.waiting).toBe(0)
    expect(await pending.settled()).toEqual([])
  })

  it('is written still while its time changes and its size does not', async () => {
    const { write, pass, pending } = world()
    write('a.jpg', 7)
    pending.touch('a.jpg')
    await pending.settled()
    pass(1000)
    write('a.jpg', 7)
    expect(await pending.settled()).toEqual([])
    pass(1000)
    expect(await pending.settled()).toEqual(['a.jpg'])
  })

  it('is waited for while it is empty, and forgotten when it is gone', async () => {
    const { files, write, pass, pending } = world()
    write('empty.jpg', 0)
    write('gone.jpg', 5)
    for (const path of files.keys()) pending.touch(path)
    await pending.settled()
    files.delete('gone.jpg')
    pass(60_000)
    expect(await pending.settled()).toEqual([])
    expect(pending.waiting).toBe(1)
    write('empty.jpg', 5)
    await pending.settled()
    pass(1000)
    expect(await pending.settled()).toEqual(['empty.jpg'])
  })
})
