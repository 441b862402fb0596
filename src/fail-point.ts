/** Every place where a test may end the process; test/faults/README.md says what is left behind at each. */
export const failPoints = [
  'process:read',
  'process:claimed',
  'process:tagged',
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
  'prune:retired',
  'prune:removed',
  'prune:deleted',
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

const [wanted, time = '1'] = (process.env.RMBG_FAIL_POINT ?? '').split('@')
let passed = 0

/**
 * A place where a test ends the process as `kill -9` would: RMBG_FAIL_POINT names the place and, behind an `@`, which
 * time it is passed. Without the variable nothing happens.
 */
export async function failPoint(place: FailPoint): Promise<void> {
  if (place !== wanted) return
  passed++
  if (passed === Number(time)) process.kill(process.pid, 'SIGKILL')
  // The signal comes at once, but not within this very statement.
  if (passed >= Number(time)) await new Promise(() => {})
}
