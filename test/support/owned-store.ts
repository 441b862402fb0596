import type { Database } from '../../src/database/contract.ts'
import { installationOf } from '../../src/database/installation.ts'
import type { ObjectStore } from '../../src/store/contract.ts'
import { assertOwner } from '../../src/store/owner.ts'

/**
 * A store for tests that put objects themselves: with the first it belongs to the database, as a run would make it.
 *
 * @param connect opens a connection that is closed at once: tests wait until nobody else is connected
 */
export function ownedStore(store: ObjectStore, connect: Database | (() => Database)): ObjectStore {
  let owned: Promise<void> | undefined
  const own = async () => {
    const database = typeof connect === 'function' ? connect() : connect
    try {
      await assertOwner(store, await installationOf(database), { claims: true })
    } finally {
      if (typeof connect === 'function') await database.close()
    }
  }
  return {
    ...store,
    put: async (...put) => {
      owned ??= own()
      await owned
      return store.put(...put)
    },
  }
}
