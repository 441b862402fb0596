#!/usr/bin/env node
// Runs the commands from src/ without a build, from any folder: bin/dev.js process photos
import { register } from 'tsx/esm/api'

register()
const { execute } = await import('@oclif/core')
await execute({ development: true, dir: import.meta.url })
