/** What can be typed behind `rmbg`, for the scripts that complete it. */
import type { Command } from '@oclif/core/command'

export interface CompletedFlag {
  name: string
  char: string | undefined
  description: string
  takesValue: boolean
  /** The only values it takes; empty where there are none such. */
  values: readonly string[]
}

export interface CompletedCommand {
  /** One or two words, such as `backup list`. */
  words: readonly [string, string?]
  summary: string
  flags: readonly CompletedFlag[]
  /** Files are completed as arguments. */
  takesArguments: boolean
}

type Described = Pick<Command.Cached, 'id' | 'summary' | 'description' | 'flags' | 'args' | 'hidden'>

/** Commands as oclif lists them, without hidden ones, in the order of their names. */
export function completedCommands(commands: readonly Described[]): CompletedCommand[] {
  return commands
    .filter(({ hidden }) => !hidden)
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .map(({ id, summary, description, flags, args }) => ({
      words: id.split(':').slice(0, 2) as [string, string?],
      summary: inShort(summary ?? description ?? ''),
      takesArguments: Object.keys(args ?? {}).length > 0,
      flags: [...Object.values(flags ?? {}).flatMap(completedFlags), helpFlag],
    }))
}

const helpFlag: CompletedFlag = {
  ...{ name: 'help', char: 'h', description: 'show help', takesValue: false, values: [] },
}

function completedFlags(flag: Command.Flag.Cached): CompletedFlag[] {
  if (flag.hidden || flag.name === 'help') return []
  const takesValue = flag.type === 'option'
  const given: CompletedFlag = {
    name: flag.name,
    char: flag.char,
    description: inShort(flag.summary ?? flag.description ?? ''),
    takesValue,
    values: (takesValue && flag.options) || [],
  }
  const isSwitch = !takesValue && flag.allowNo
  return isSwitch ? [given, { ...given, name: `no-${flag.name}`, char: undefined }] : [given]
}

/** One line, without what only the full help is for. */
const inShort = (text: string): string =>
  text
    .split('\n', 1)[0]!
    .replace(/<%= config\.bin %>/g, 'rmbg')
    .replace(/ ?(\(default: .*?\)|\[env: .*?\])/g, '')
    .replace(/\.$/, '')

/** The first words of all commands, each once, with its summary. */
export function firstWords(commands: readonly CompletedCommand[]): [word: string, summary: string][] {
  const summaries = new Map<string, string>()
  for (const { words, summary } of commands) {
    if (words[1] === undefined || !summaries.has(words[0])) {
      summaries.set(words[0], words[1] === undefined ? summary : `${words[0]} commands`)
    }
  }
  return [...summaries]
}

/** The commands below a first word. */
export const commandsBelow = (commands: readonly CompletedCommand[], first: string): CompletedCommand[] =>
  commands.filter(({ words }) => words[0] === first && words[1] !== undefined)
