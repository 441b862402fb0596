/**
 * The only row of an answer that always has one, such as that of an aggregate.
 *
 * @throws TypeError when there is none: the statement is wrong
 */
export function one<Row>(rows: readonly Row[]): Row {
  const [row] = rows
  if (row === undefined) throw new TypeError('Expected a row')
  return row
}

/**
 * Rows in the order of their job ids, a page in memory at a time.
 *
 * @param pageAfter the rows after an id, in that order; none ends it
 */
export async function* pagesById<Row extends { jobId: string }>(
  pageAfter: (jobId: string) => Promise<readonly Row[]>,
): AsyncGenerator<Row> {
  let after = '00000000-0000-0000-0000-000000000000'
  for (;;) {
    const page = await pageAfter(after)
    yield* page
    const last = page.at(-1)
    if (!last) return
    after = last.jobId
  }
}
