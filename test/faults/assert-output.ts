import { expect } from 'vitest'
import { type Finished, jsonLines } from '../support/cli.ts'

/** What must never be printed; tests put them where a real password or key would stand. */
export const databasePassword = 'pa55-of-the-database'

/**
 * Whatever went wrong: a person reads sentences, never a stack trace and never a secret, and a program reads NDJSON.
 *
 * @returns the events
 */
// biome-ignore lint/suspicious/noExplicitAny: tests look into whatever the program printed
export function eventsOf({ stdout, stderr }: Finished): Record<string, any>[] {
  const text = `${stdout}\n${stderr}`
  expect(text).not.toMatch(/^ {4}at /m)
  expect(text).not.toContain('node:internal')
  expect(text).not.toContain('This is unexpected')
  const secrets = [databasePassword, process.env.AWS_SECRET_ACCESS_KEY, process.env.AWS_ACCESS_KEY_ID]
  for (const secret of secrets) if (secret) expect(text).not.toContain(secret)
  const events = jsonLines(stdout)
  for (const { code, message } of events.filter(
    ({ type, status }) => type === 'error' || status === 'failed',
  )) {
    expect(code, message).not.toBe('UNEXPECTED')
    expect(message).toMatch(/^([A-Z/]|s3:)[^\n]{10,300}\.$/)
  }
  return events
}

/** The one sentence that ended a command, from its NDJSON and, the same, from stderr. */
export function ending(finished: Finished): string {
  const error = eventsOf(finished).at(-1)!
  expect(error.type, finished.stderr).toBe('error')
  const lines = finished.stderr.split('\n').filter((line) => line.startsWith('Error:'))
  const hint = error.hint === undefined ? '' : ` ${error.hint}`
  expect(lines).toEqual([`Error: ${error.message} [${error.code}]${hint}`])
  return `${error.message} [${error.code}]`
}
