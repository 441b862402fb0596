import { boundedTasks } from '../bounded-tasks.ts'

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
  const tasks = boundedTasks(concurrency)
  /** What ended the items themselves, if nothing had failed before. */
  let listing: { reason: unknown } | undefined
  try {
    for await (const item of items) {
      if (signal.aborted || tasks.hasFailed()) break
      await tasks.add(async () => {
        if (!signal.aborted && !listing) await work(item)
      })
    }
  } catch (reason) {
    if (!tasks.hasFailed()) listing = { reason }
  }
  await tasks.settled()
  if (listing) throw listing.reason
  tasks.throwFailure()
}
