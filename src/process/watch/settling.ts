/** Files that are being written: each is ready once size and time have not changed for a while. */
import { stat } from 'node:fs/promises'
import { systemPath } from '../../system/file-names.ts'

/** What tells that a file is still the same; undefined for a file that is not there. */
export type Look = (path: string) => Promise<FileState | undefined>

export interface FileState {
  /** Bytes. */
  size: number
  mtimeNs: bigint
}

export interface Settling {
  /** A file has come, or was changed. */
  touch(path: string): void
  /**
   * Looks at all files that have not settled yet.
   *
   * @returns those that have; they are forgotten. One that is gone is forgotten too, an empty one is waited for
   */
  settled(): Promise<string[]>
  /** How many are waited for. */
  readonly waiting: number
}

interface Waiting {
  state: FileState | undefined
  /** Milliseconds, of the clock. */
  since: number
}

/**
 * @param settleMs how long a file has to stay as it is
 * @param clock milliseconds that only count up
 */
export function settling(
  settleMs: number,
  { look = lookAtFile, clock = () => performance.now() }: { look?: Look; clock?: () => number } = {},
): Settling {
  const waiting = new Map<string, Waiting>()
  return {
    get waiting() {
      return waiting.size
    },
    touch: (path) => {
      if (!waiting.has(path)) waiting.set(path, { state: undefined, since: clock() })
    },
    settled: async () => {
      const ready: string[] = []
      for (const [path, before] of [...waiting]) {
        const state = await look(path)
        if (!state) waiting.delete(path)
        else if (!isSame(state, before.state)) waiting.set(path, { state, since: clock() })
        else if (state.size > 0 && clock() - before.since >= settleMs) {
          waiting.delete(path)
          ready.push(path)
        }
      }
      return ready
    },
  }
}

const isSame = (one: FileState, other: FileState | undefined): boolean =>
  one.size === other?.size && one.mtimeNs === other.mtimeNs

/** @returns undefined for what is not there, and for what is no file */
export async function lookAtFile(path: string): Promise<FileState | undefined> {
  const file = await stat(systemPath(path), { bigint: true }).catch(() => undefined)
  return file?.isFile() ? { size: Number(file.size), mtimeNs: file.mtimeNs } : undefined
}
