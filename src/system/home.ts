import { homedir } from 'node:os'

// A user id without a name has no home either, unless HOME says so. Libraries ask for one as soon as they are loaded, and
// Node then throws. The root is what container engines set in this case.
try {
  homedir()
} catch {
  process.env.HOME = '/'
}
