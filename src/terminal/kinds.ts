import { RmbgError } from '../errors.ts'
import { type ObjectKind, objectKinds } from '../store/contract.ts'

/** @throws RmbgError USAGE */
export function parseKinds(list: string): ObjectKind[] {
  return list.split(',').map((name) => {
    const kind = objectKinds.find((known) => known === name.trim())
    if (kind) return kind
    throw new RmbgError('USAGE', `--kind expects original, mask or processed but received "${name.trim()}".`)
  })
}
