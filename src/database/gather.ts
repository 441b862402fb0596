/** Questions that are asked at the same moment travel to the database together. */
import type postgres from 'postgres'
import { connectionIsLost, databaseError } from './errors.ts'

/** A statement of so many does not grow, nor hold its locks, noticeably longer than one of a single question. */
const mostAtOnce = 10

interface Asked<Question, Answer> {
  question: Question
  resolve: (answer: Answer) => void
  reject: (reason: unknown) => void
}

/**
 * A question that comes alone is sent at once. Those that come while it is under way go together, up to ten at a time,
 * as soon as its answer is there: so nobody waits for others to come, and a busy run asks a tenth as often.
 *
 * @param send answers several questions in one statement, in their order. It is asked again, one by one, where the
 *   statement failed: so what is wrong with one question fails that one alone. Only for what may be repeated
 * @returns asks one question of one client
 */
export function gathered<Question, Answer>(
  send: (sql: postgres.Sql, questions: readonly Question[]) => Promise<readonly Answer[]>,
): (sql: postgres.Sql, question: Question) => Promise<Answer> {
  const waitingOf = new WeakMap<postgres.Sql, Asked<Question, Answer>[]>()

  const answer = async (sql: postgres.Sql, group: Asked<Question, Answer>[]): Promise<void> => {
    try {
      const answers = await send(
        sql,
        group.map(({ question }) => question),
      )
      for (const [place, { resolve }] of group.entries()) resolve(answers[place] as Answer)
    } catch (cause) {
      if (group.length === 1 || connectionIsLost(databaseError(cause))) {
        for (const { reject } of group) reject(cause)
        return
      }
      for (const asked of group) await answer(sql, [asked])
    }
  }

  return (sql, question) =>
    new Promise((resolve, reject) => {
      const asked = { question, resolve, reject }
      const waiting = waitingOf.get(sql)
      if (waiting) {
        waiting.push(asked)
        return
      }
      const queue = [asked]
      waitingOf.set(sql, queue)
      void (async () => {
        while (queue.length > 0) await answer(sql, queue.splice(0, mostAtOnce))
        waitingOf.delete(sql)
      })()
    })
}
