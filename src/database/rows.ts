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
