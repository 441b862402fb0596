import type { Database } from '../../src/database/contract.ts'
import { installationOf } from '../../src/database/installation.ts'
import type { ObjectStore } from '../../src/store/contract.ts'
import { assertOwner } from '../../src/store/owner.ts'

/** A store for tests that put objects themselves: with the first it belongs to the database, as a run would make it. */
export function ownedStore(store: ObjectStore, database: Database): ObjectStore {
  let owned: Promise<void> | undefined
  const own = async () => assertOwner(store, await installationOf(database), { claims: true })
  return {
    ...store,
    put: async (...put) => {
      owned ??= own()
      await owned
      return store.put(...put)
    },
  }
}
