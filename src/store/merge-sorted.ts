/** A stream and the key that it is sorted by. */
export interface Sorted<T> {
  items: AsyncIterable<T>
  keyOf: (item: T) => string
}

/** Everything of one key: for each stream, in the order they were given, what it has of it (perhaps nothing). */
export interface MergedStep<Items extends readonly unknown[]> {
  key: string
  items: { [Index in keyof Items]: Items[Index][] }
}

/**
 * Reads sorted streams side by side, one step for each key that any of them has. Memory holds one step only, so streams
 * may be of any length. A stream that is left early is closed.
 *
 * @param streams each sorted by its key, in ascending order of UTF-16 code units; keys may repeat
 */
export async function* mergeSorted<Items extends readonly unknown[]>(
  ...streams: { [Index in keyof Items]: Sorted<Items[Index]> }
): AsyncGenerator<MergedStep<Items>> {
  const readers = (streams as readonly Sorted<unknown>[]).map(reader)
  try {
    await Promise.all(readers.map((each) => each.advance()))
    for (;;) {
      const keys = readers.flatMap(({ key }) => key() ?? [])
      if (keys.length === 0) return
      const key = keys.reduce((least, other) => (other < least ? other : least))
      const items = await Promise.all(readers.map((each) => each.take(key)))
      yield { key, items: items as MergedStep<Items>['items'] }
    }
  } finally {
    await Promise.all(readers.map((each) => each.close()))
  }
}

/** One stream, looked at one item ahead. */
function reader<T>({ items, keyOf }: Sorted<T>) {
  const iterator = items[Symbol.asyncIterator]()
  let ahead: { item: T; key: string } | undefined
  const advance = async () => {
    const { value, done } = await iterator.next()
    ahead = done ? undefined : { item: value, key: keyOf(value) }
  }
  return {
    advance,
    key: () => ahead?.key,
    take: async (key: string): Promise<T[]> => {
      const taken: T[] = []
      while (ahead?.key === key) {
        taken.push(ahead.item)
        await advance()
      }
      return taken
    },
    close: async () => void (await iterator.return?.()),
  }
}
