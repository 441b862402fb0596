#!/usr/bin/env node
import '../dist/system/engine.js' // before everything else
import '../dist/system/home.js' // before the libraries
import '../dist/terminal/start.js'
