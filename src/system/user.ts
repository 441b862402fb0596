import { userInfo } from 'node:os'

/** The name of whoever runs this process. In a container the user id often has no name, and `userInfo` then throws. */
export function userName(env: NodeJS.ProcessEnv = process.env): string {
  try {
    return userInfo().username
  } catch {
    return env.USER || env.LOGNAME || `uid-${process.getuid?.() ?? 'unknown'}`
  }
}
