/**
 * A place where a test ends the process as `kill -9` would: RMBG_FAIL_POINT names the place and, behind an `@`, which
 * time it is passed. Without the variable nothing happens.
 */
export async function failPoint(name: FailPoint): Promise<void> {
  const wanted = process.env.RMBG_FAIL_POINT
  if (wanted === undefined) return
  const [place, time = '1'] = wanted.split('@')
  if (place !== name) return
  passed++
  if (passed === Number(time)) process.kill(process.pid, 'SIGKILL')
  // The signal comes at once, but not within this very statement.
  if (passed >= Number(time)) await new Promise(() => {})
}

export type FailPoint =
  | 'prune:entombed'
  | 'prune:removed'
  | 'prune:buried'
  | 'backup:begun'
  | 'backup:dumped'
  | 'backup:object'
  | 'backup:listed'
  | 'backup:done'
  | 'backup:expiring'
  | 'restore:restored'
  | 'restore:object'

let passed = 0
