import { RmbgError } from '../errors.ts'
import { type ObjectKind, type ObjectStore, type ObjectVersions, objectKinds } from './contract.ts'

/** One store per kind of object, chosen by the first segment of the key. */
export function routedStore(stores: Record<ObjectKind, ObjectStore>): ObjectStore {
  const kindOf = (key: string): ObjectKind | undefined =>
    objectKinds.find((kind) => key.startsWith(`${kind}/`))
  const storeOf = (key: string): ObjectStore => {
    const kind = kindOf(key)
    if (!kind) throw new RmbgError('STORE_DENIED', `${JSON.stringify(key)} is no key of an object.`)
    return stores[kind]
  }
  const each = async (action: (store: ObjectStore) => Promise<void>): Promise<void> => {
    await Promise.all(Object.values(stores).map(action))
  }
  const byKind = (keys: readonly string[]): [ObjectKind, string[]][] =>
    objectKinds
      .map((kind): [ObjectKind, string[]] => [kind, keys.filter((key) => kindOf(key) === kind)])
      .filter(([, own]) => own.length > 0)
  const versions = routedVersions(stores, byKind)
  return {
    location: [...new Set(objectKinds.map((kind) => stores[kind].location))].join(', '),
    check: (signal) => each((store) => store.check(signal)),
    put: async (key, body, options) => storeOf(key).put(key, body, options),
    get: async (key, signal) => storeOf(key).get(key, signal),
    head: async (key, signal) => storeOf(key).head(key, signal),
    list: async function* (prefix, signal) {
      // Kinds in key order; a prefix may be of one kind or, like the empty one, of all.
      for (const kind of [...objectKinds].sort()) {
        const root = `${kind}/`
        if (root.startsWith(prefix)) yield* stores[kind].list(root, signal)
        else if (prefix.startsWith(root)) yield* stores[kind].list(prefix, signal)
      }
    },
    remove: async (keys, signal) => {
      for (const [kind, own] of byKind(keys)) await stores[kind].remove(own, signal)
    },
    copyTo: async (key, target, targetKey, signal) =>
      (await storeOf(key).copyTo?.(key, target, targetKey, signal)) ?? false,
    link: async (key, expiresSeconds) => storeOf(key).link(key, expiresSeconds),
    ...(versions && { versions }),
    close: () => each((store) => store.close()),
  }
}

/** @returns nothing where one of the stores keeps no versions, for then nobody can speak for all three */
function routedVersions(
  { original, mask, processed }: Record<ObjectKind, ObjectStore>,
  byKind: (keys: readonly string[]) => [ObjectKind, string[]][],
): ObjectVersions | undefined {
  if (!original.versions || !mask.versions || !processed.versions) return undefined
  const versions = { original: original.versions, mask: mask.versions, processed: processed.versions }
  return {
    state: async (signal) => {
      const states = await Promise.all(objectKinds.map((kind) => versions[kind].state(signal)))
      return (['enabled', 'suspended'] as const).find((state) => states.includes(state)) ?? 'off'
    },
    purge: async (keys, signal) => {
      const freed = { versions: 0, bytes: 0 }
      for (const [kind, own] of byKind(keys)) {
        const { versions: count, bytes } = await versions[kind].purge(own, signal)
        freed.versions += count
        freed.bytes += bytes
      }
      return freed
    },
  }
}
