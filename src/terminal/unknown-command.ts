/** oclif's hook for a command that is not there: what was meant is told, and nothing is run. */
import { existsSync } from 'node:fs'
import type { Hook } from '@oclif/core/hooks'
import { RmbgError } from '../errors.ts'
import { closest } from './closest.ts'

const hook: Hook<'command_not_found'> = async ({ id, config, argv }) => {
  const words = [...id.split(':'), ...(argv ?? [])]
  const known = config.commandIDs.map((command) => command.replaceAll(':', ' '))
  throw unknownCommand(words, { known, bin: config.bin, isFile: existsSync })
}

export default hook

/**
 * @param words as they were typed behind the program's name; oclif cannot know where the command's own words end
 * @param of.known commands, their words separated by blanks
 */
export function unknownCommand(
  words: readonly string[],
  { known, bin, isFile }: { known: readonly string[]; bin: string; isFile: (path: string) => boolean },
): RmbgError {
  const [first = ''] = words
  const hint = (meant: string) => `Did you mean ${bin} ${meant}? All commands: ${bin} --help.`
  if (isFile(first) && !first.startsWith('-')) {
    return new RmbgError('USAGE', `There is no command "${first}".`, { hint: hint(`process ${first}`) })
  }
  if (known.includes(first)) {
    return new RmbgError('USAGE', `Unexpected argument "${words[1] ?? ''}".`, {
      hint: `See ${bin} ${first} --help.`,
    })
  }
  const topic = known.some((command) => command.startsWith(`${first} `))
  const typed = topic ? words.slice(0, 2).join(' ') : first
  const candidates = topic ? known.filter((command) => command.startsWith(`${first} `)) : known
  const meant = closest(typed, candidates) ?? closest(words.slice(0, 2).join(' '), known)
  return new RmbgError('USAGE', `There is no command "${typed}".`, {
    hint: meant === undefined ? `All commands: ${bin} --help.` : hint(meant),
  })
}
