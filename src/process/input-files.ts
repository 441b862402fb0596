/** Which files are inputs: with links, and with folders that are mounted twice, one file has several paths. */
import { stat } from 'node:fs/promises'
import { systemPath } from '../system/file-names.ts'
import type { Candidate } from './inputs.ts'

/**
 * Tells whether a path leads to one of the inputs, by device and inode. They are looked at when this is first asked,
 * which may be never.
 */
export function inputTest(candidates: Iterable<Candidate>): (path: string) => Promise<boolean> {
  let known: Promise<Set<string>> | undefined
  return async (path) => {
    const file = await identityOf(path)
    if (file === undefined) return false
    known ??= identitiesOf(candidates)
    return (await known).has(file)
  }
}

async function identitiesOf(candidates: Iterable<Candidate>): Promise<Set<string>> {
  const identities = new Set<string>()
  for (const { path, inspect } of candidates) {
    if (inspect) continue // no file of this machine
    const identity = await identityOf(path)
    if (identity !== undefined) identities.add(identity)
  }
  return identities
}

async function identityOf(path: string): Promise<string | undefined> {
  const file = await stat(systemPath(path), { bigint: true }).catch(() => undefined)
  return file && `${file.dev}:${file.ino}`
}
