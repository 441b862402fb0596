#!/usr/bin/env -S MALLOC_ARENA_MAX=1 node --max-semi-space-size=4
import '../dist/system/engine.js' // before everything else
import '../dist/system/home.js' // before the libraries
import '../dist/terminal/start.js'
