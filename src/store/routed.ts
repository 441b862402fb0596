import { RmbgError } from '../errors.ts'
import { type ObjectKind, type ObjectStore, type ObjectVersions, objectKinds } from './contract.ts'

type KeysByKind = [kind: ObjectKind, keys: string[]][]

/** One store per kind of object, chosen by the first segment of the key. */
export function routedStore(stores: Record<ObjectKind, ObjectStore>): ObjectStore {
  const storeOf = (key: string): ObjectStore => {
    const kind = kindOf(key)
    if (!kind) throw new RmbgError('STORE_DENIED', `${JSON.stringify(key)} is not a key of an object.`)
    return stores[kind]
  }
  const each = async (action: (store: ObjectStore) => Promise<void>): Promise<void> => {
    await Promise.all(Object.values(stores).map(action))
  }
  const versions = routedVersions(stores)
  return {
    location: [...new Set(objectKinds.map((kind) => stores[kind].location))].join(', '),
    ...(versions && { versions }),
    check: (signal) => each((store) => store.check(signal)),
    put: async (key, body, options) => storeOf(key).put(key, body, options),
    get: async (key, options) => storeOf(key).get(key, options),
    head: async (key, signal) => storeOf(key).head(key, signal),
    list: async function* (prefix, signal) {
      // A prefix may be of one kind or, like the empty one, of all.
      for (const kind of [...objectKinds].sort()) {
        const root = `${kind}/`
        if (root.startsWith(prefix)) yield* stores[kind].list(root, signal)
        else if (prefix.startsWith(root)) yield* stores[kind].list(prefix, signal)
      }
    },
    remove: async (keys, signal) => {
      for (const [kind, own] of byKind(keys)) await stores[kind].remove(own, signal)
    },
    link: async (key, expiresSeconds) => storeOf(key).link(key, expiresSeconds),
    copyTo: async (key, target, targetKey, signal) => storeOf(key).copyTo(key, target, targetKey, signal),
    close: () => each((store) => store.close()),
  }
}

const kindOf = (key: string): ObjectKind | undefined => objectKinds.find((kind) => key.startsWith(`${kind}/`))

const byKind = (keys: readonly string[]): KeysByKind =>
  objectKinds
    .map((kind): KeysByKind[number] => [kind, keys.filter((key) => kindOf(key) === kind)])
    .filter(([, own]) => own.length > 0)

/** @returns undefined unless all three stores can keep versions: otherwise no answer would be true of all */
function routedVersions({
  original,
  mask,
  processed,
}: Record<ObjectKind, ObjectStore>): ObjectVersions | undefined {
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
    plan: async (retention) => {
      // Kinds may share a bucket; it has one configuration and so needs one plan.
      const distinct = new Map([original, mask, processed].map((store) => [store.location, store.versions]))
      const plans = [...distinct.values()].map((own) => own?.plan(retention) ?? [])
      return (await Promise.all(plans)).flat()
    },
  }
}
