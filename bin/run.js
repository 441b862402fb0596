#!/usr/bin/env node
import { execute } from '@oclif/core'

// A diagnostic report, where somebody asked Node for them, would hold the environment and so passwords and keys. From
// Node 22.13 on it can be told to leave it out.
if (process.report) process.report.excludeEnv = true

await execute({ dir: import.meta.url })
