/** File systems of a test's own: small ones, and read-only ones. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmdirSync } from 'node:fs'
import { mkdir, rm, statfs, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, onTestFinished } from 'vitest'

const asRoot = process.getuid?.() === 0 ? [] : ['sudo', '-n']
const run = (...command: string[]) => {
  const [file, ...args] = [...asRoot, ...command]
  execFileSync(file!, args, { stdio: 'ignore' })
}
const owner = `uid=${process.getuid?.()},gid=${process.getgid?.()},mode=755`

/** Skips, visibly, where nothing may be mounted; in CI it may. */
export const describeDisks = (title: string, suite: () => void) => {
  if (mayMount()) return describe(title, suite)
  if (process.env.CI) throw new Error('CI must be allowed to mount a tmpfs')
  return describe.skip(`${title} (skipped: mounting a tmpfs needs root, or sudo without a password)`, suite)
}

function mayMount(): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'rmbg-mount-'))
  try {
    run('mount', '-t', 'tmpfs', '-o', `size=1m,${owner}`, 'tmpfs', folder)
    run('umount', folder)
    return true
  } catch {
    return false
  } finally {
    rmdirSync(folder)
  }
}

/** Mounts a file system of so many MiB on a folder until the test ends. */
export async function mountDisk(folder: string, mebibytes: number) {
  mkdirSync(folder, { recursive: true })
  run('mount', '-t', 'tmpfs', '-o', `size=${mebibytes}m,${owner}`, 'tmpfs', folder)
  // Before the folder around it is removed, which another hook does.
  onTestFinished(() => run('umount', '-l', folder))
  const ballast = join(folder, 'ballast')
  return {
    /** Leaves so many KiB. */
    fill: async (kibibytes: number) => {
      const { bavail, bsize } = await statfs(folder)
      await mkdir(folder, { recursive: true })
      await writeFile(ballast, Buffer.alloc(Math.max(0, bavail * bsize - kibibytes * 1024)))
    },
    makeRoom: () => rm(ballast),
    readOnly: () => run('mount', '-o', 'remount,ro', folder),
    writable: () => run('mount', '-o', 'remount,rw', folder),
  }
}
