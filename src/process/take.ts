import pLimit from 'p-limit'

export interface Taking {
  /** Items in work at once. */
  concurrency: number
  /** When it aborts, no more items are taken; those in work are finished. */
  signal: AbortSignal
}

/**
 * Works on items as slots come free. Takes no more after an error, and throws the first one when nothing is in work
 * any more.
 *
 * @param work called once per item
 */
export async function take<Item>(
  items: AsyncIterable<Item> | Iterable<Item>,
  { concurrency, signal }: Taking,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const limit = pLimit(concurrency)
  const running = new Set<Promise<void>>()
  const errors: unknown[] = []
  const mayTake = () => !signal.aborted && errors.length === 0
  const workOn = async (item: Item) => {
    if (!mayTake()) return
    // Noted before the slot comes free, so that nothing is taken after it.
    await work(item).catch((error) => errors.push(error))
  }
  try {
    for await (const item of items) {
      if (!mayTake()) break
      const task: Promise<void> = limit(workOn, item).finally(() => running.delete(task))
      running.add(task)
      // Looks no further ahead than one item per slot: memory stays flat however many there are.
      if (running.size >= concurrency * 2) await Promise.race(running)
    }
  } catch (error) {
    errors.push(error)
  }
  await Promise.all(running)
  if (errors.length > 0) throw errors[0]
}
