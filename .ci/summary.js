// Adds up the reports of both test runs: summary.js "CHECK..." "FAILED_CHECK..." FAILED_RUN REPORT...
// A test that one run skips and another runs counts once; those that no run ran are named, and those that failed
// come last with their messages: of a long log, its end is what people get to see.
import { existsSync, readFileSync } from 'node:fs'
import { relative } from 'node:path'

const [checks, failedChecks] = process.argv.slice(2, 4).map((names) => names.split(' ').filter(Boolean))
const failedRun = Number(process.argv[4])
/** A suite that is skipped says why in its title, which it does not have where it runs. */
const reason = / \(skipped: [^)]*\)/g

/** `it.fails` passes with the message of its failure, as a test does that passed only when tried again. */
const isMeantToFail = (title, source) =>
  [`'`, '"', '`'].some((quote) => source.includes(`.fails(${quote}${title}${quote}`))

const outcomes = new Map()
const messages = new Map()
const secondTries = new Map()
for (const report of process.argv.slice(5)) {
  const times = new Map()
  const { testResults } = JSON.parse(readFileSync(report, 'utf8'))
  for (const { name: file, message, assertionResults } of testResults) {
    if (message && assertionResults.length === 0) messages.set(relative('.', file), message)
    const source = existsSync(file) ? readFileSync(file, 'utf8') : ''
    for (const { fullName, title, status, failureMessages } of assertionResults) {
      const name = `${relative('.', file)}: ${fullName.replace(reason, '')}`
      times.set(name, (times.get(name) ?? 0) + 1)
      // The second test of one name, in each report, is another one.
      const test = `${name}\0${times.get(name)}`
      const isBetterKnown =
        outcomes.get(test) === 'failed' || (outcomes.get(test) === 'passed' && status !== 'failed')
      if (!isBetterKnown) outcomes.set(test, status)
      if (status === 'failed') messages.set(name, failureMessages.join('\n'))
      else if (failureMessages.length > 0 && !isMeantToFail(title, source))
        secondTries.set(name, failureMessages.join('\n'))
    }
  }
}
const counts = { passed: 0, failed: 0, skipped: 0 }
for (const [test, status] of outcomes) {
  const outcome = status === 'passed' || status === 'failed' ? status : 'skipped'
  counts[outcome]++
  if (outcome === 'skipped') console.log(`skipped  ${test.split('\0')[0]}`)
}

for (const [name, message] of secondTries) {
  console.log(`passed only when tried again  ${name}\n${message.slice(0, 600)}`)
}
for (const check of failedChecks) console.log(`failed  npm run ${check}`)
for (const [name, message] of messages) console.log(`failed  ${name}\n${message.slice(0, 1500)}`)
// A suite that fails to load, or an error outside every test, counts no test; it must not pass for that.
const failed = Math.max(counts.failed, failedRun) + failedChecks.length
const passed = counts.passed + checks.length - failedChecks.length
console.log(`${passed} passed, ${failed} failed${counts.skipped ? `, ${counts.skipped} skipped` : ''}`)
process.exitCode = failed > 0 ? 1 : 0
