#!/usr/bin/env node
import { flush, handle, run } from '@oclif/core'
import { printableLines } from '../dist/cli/printable.js'

// A diagnostic report, where somebody asked Node for them, would hold the environment and so passwords and keys. From
// Node 22.13 on it can be told to leave it out.
if (process.report) process.report.excludeEnv = true

try {
  await run(process.argv.slice(2), import.meta.url)
  await flush()
} catch (error) {
  // oclif repeats arguments, and a shell may have made them of file names: they command no terminal.
  error.message = printableLines(error.message)
  error.stack = printableLines(error.stack)
  await handle(error)
}
