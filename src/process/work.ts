import type { ModelSpec } from '../model/contract.ts'
import { sha256Of } from '../system/sha256.ts'

export interface Work {
  /** Everything that influences the result, as stored in the `params` of a job. */
  params: Record<string, unknown>
  /** Hex SHA-256 of `params`: the same fingerprint and the same content mean the same result. */
  fingerprint: string
}

/** @param params everything that changes the result, and nothing else; the order of keys does not matter */
export function workOf(params: Record<string, unknown>): Work {
  const sorted = (_key: string, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value
  return { params, fingerprint: sha256Of(JSON.stringify(params, sorted)) }
}

/** Everything about a model that changes the result. What a model does not state is left out: older jobs never had it. */
export function modelParameters(spec: ModelSpec): Record<string, unknown> {
  const { name, variant, sha256, inputSize, normalisation, activation, guided } = spec
  const { channelOrder, letterbox, output, outputChannel, invert } = spec
  return {
    name,
    ...(variant !== undefined && { variant }),
    ...{ sha256, inputSize, normalisation, activation },
    ...(guided && { guided }),
    ...(channelOrder && { channelOrder }),
    ...(letterbox && { letterbox }),
    ...(output !== undefined && { output }),
    ...(outputChannel !== undefined && { outputChannel }),
    ...(invert && { invert }),
  }
}
