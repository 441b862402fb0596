import { sizeText } from '../../bytes.ts'
import { type HealthCheck, worst } from '../../database/health/contract.ts'
import type { Judge } from '../../database/health/thresholds.ts'
import { duration } from '../../database/health/words.ts'
import type { ReplicaState } from '../../database/replica.ts'

/**
 * The replica that query and stats ask, as one more check of the health.
 *
 * @param told why it is not asked, or what is unknown of it
 */
export function replicaCheck(
  replica: ReplicaState | undefined,
  { told, judge }: { told: string | undefined; judge: Judge },
): HealthCheck {
  const up = {
    name: 'rmbg_replica_up',
    value: Number(replica !== undefined),
    help: '1 while the replica can be asked.',
  }
  const name = 'read-replica'
  if (!replica || replica.lagBytes === null) {
    const details = ['Look at DATABASE_REPLICA_URL and at that server.']
    return { name, level: 'warn', summary: told ?? 'The replica cannot be asked.', details, metrics: [up] }
  }
  const { location, lagBytes, lagSeconds } = replica
  return {
    name,
    level: worst([judge('standby-lag', lagSeconds ?? 0), judge('standby-lag-bytes', lagBytes)]),
    summary: `query and stats ask ${location}, ${sizeText(lagBytes)} and ${duration(lagSeconds ?? 0)} behind its primary.`,
    details: [],
    metrics: [
      up,
      { name: 'rmbg_replica_lag_bytes', value: lagBytes, help: 'WAL that the replica has not replayed.' },
      { name: 'rmbg_replica_lag_seconds', value: lagSeconds ?? 0, help: 'How far the replica is behind.' },
    ],
  }
}
