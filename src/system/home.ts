import { homedir, userInfo } from 'node:os'

// A user id without a name has no home and no shell either, unless the environment says so. Libraries ask for both as soon
// as they are loaded, and Node then throws. These are what container engines set in this case.
try {
  homedir()
} catch {
  process.env.HOME = '/'
}
try {
  userInfo()
} catch {
  process.env.SHELL ??= '/bin/sh'
}
