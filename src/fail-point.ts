/** Every place where a test may end the process; test/faults/README.md says what is left behind at each. */
export const failPoints = [
  'database:made',
  'process:read',
  'process:claimed',
  'process:decoded',
  'process:matte',
  'process:encoded',
  'process:returned',
  'process:uploading',
  'process:stored',
  'process:completed',
  'process:written',
  'process:failed',
  'process:ended',
  'store:staged',
  'store:renamed',
  'migrate:begun',
  'migrate:applied',
  'migrate:committed',
  'partition:checking',
  'partition:checked',
  'partition:converting',
  'partition:converted',
  'partition:noted',
  'prune:retired',
  'prune:removed',
  'prune:deleted',
  'prune:detached',
  'prune:settled',
  'prune:dropped',
  'orphans:removed',
  'backup:begun',
  'backup:dumped',
  'backup:object',
  'backup:listed',
  'backup:done',
  'backup:drilled',
  'backup:expiring',
  'restore:restored',
  'restore:object',
] as const
export type FailPoint = (typeof failPoints)[number]

const [killedAt, killedTime = '1'] = (process.env.RMBG_FAIL_POINT ?? '').split('@')
const stoppedAt = process.env.RMBG_STOP_POINT
let passed = 0
let isStopped = false

/**
 * A place where a test ends the process as `kill -9` would: RMBG_FAIL_POINT names the place and, behind an `@`, which
 * time it is passed. RMBG_STOP_POINT names a place where it stops the first time, until somebody sends SIGCONT: so does
 * a computer that is closed, or a virtual machine that is paused. Without these variables nothing happens.
 */
export async function failPoint(place: FailPoint): Promise<void> {
  if (place === stoppedAt && !isStopped) {
    isStopped = true
    process.kill(process.pid, 'SIGSTOP')
  }
  if (place !== killedAt) return
  passed++
  if (passed === Number(killedTime)) process.kill(process.pid, 'SIGKILL')
  // The signal comes at once, but not within this very statement.
  if (passed >= Number(killedTime)) await new Promise(() => {})
}
