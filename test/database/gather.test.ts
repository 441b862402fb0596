import type postgres from 'postgres'
import { expect, it } from 'vitest'
import { gathered } from '../../src/database/gather.ts'
import { RmbgError } from '../../src/errors.ts'

const client = () => (() => {}) as unknown as postgres.Sql
const numbers = (count: number) => Array.from({ length: count }, (_, number) => number)

/** Doubles numbers, and notes which ones were sent together. */
function doubling(refuse: (numbers: readonly number[]) => unknown = () => undefined) {
  const sent: number[][] = []
  const double = gathered<number, number>(async (_, questions) => {
    sent.push([...questions])
    await new Promise(setImmediate)
    const reason = refuse(questions)
    if (reason !== undefined) throw reason
    return questions.map((number) => 2 * number)
  })
  return { sent, double }
}

it('a question that comes alone is sent at once, alone', async () => {
  const { sent, double } = doubling()
  const sql = client()
  for (const number of numbers(3)) expect(await double(sql, number)).toBe(2 * number)
  expect(sent).toEqual([[0], [1], [2]])
})

it('those that come while one is under way go together, ten at a time, each with its own answer', async () => {
  const { sent, double } = doubling()
  const sql = client()
  expect(await Promise.all(numbers(25).map((number) => double(sql, number)))).toEqual(
    numbers(25).map((number) => 2 * number),
  )
  expect(sent.map(({ length }) => length)).toEqual([1, 10, 10, 4])
})

it('what is wrong with one question fails that one alone', async () => {
  const refused = new RmbgError('DATABASE_ERROR', 'No threes.')
  const { double } = doubling((sent) => (sent.includes(3) ? refused : undefined))
  const sql = client()
  const answers = await Promise.allSettled(numbers(6).map((number) => double(sql, number)))
  expect(answers.map(({ status }) => status)).toEqual(
    numbers(6).map((number) => (number === 3 ? 'rejected' : 'fulfilled')),
  )
})

it('a lost connection fails those that went together, and is not asked again', async () => {
  const lost = new RmbgError('DATABASE_UNAVAILABLE', 'Away.')
  const { sent, double } = doubling((questions) => (questions.length > 1 ? lost : undefined))
  const sql = client()
  const answers = await Promise.allSettled(numbers(5).map((number) => double(sql, number)))
  expect(answers.filter(({ status }) => status === 'rejected')).toHaveLength(4)
  expect(sent).toHaveLength(2)
  expect(await double(sql, 7)).toBe(14)
})

it('clients do not wait for each other', async () => {
  const { sent, double } = doubling()
  await Promise.all([double(client(), 1), double(client(), 2)])
  expect(sent).toEqual([[1], [2]])
})
