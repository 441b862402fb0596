import { type CompletedCommand, type CompletedFlag, commandsBelow, firstWords } from './words.ts'

/** Lines of `complete`, one for each command and flag. */
export function fishCompletion(commands: readonly CompletedCommand[]): string {
  const names = firstWords(commands)
  return `# Completion of rmbg in fish. Put it into ~/.config/fish/completions/rmbg.fish
complete -c rmbg -f
${names.map(([word, summary]) => `complete -c rmbg -n __fish_use_subcommand -a ${word} -d ${quoted(summary)}`).join('\n')}
${names.flatMap(([word]) => secondWords(commands, word)).join('\n')}
${commands.flatMap((command) => linesOf(command, commands)).join('\n')}
`
}

function secondWords(commands: readonly CompletedCommand[], first: string): string[] {
  const below = commandsBelow(commands, first)
  const second = below.map(({ words }) => words[1]).join(' ')
  return below.map(
    ({ words, summary }) =>
      `complete -c rmbg -n ${quoted(`${seen(first)}; and not ${seen(second)}`)} -a ${words[1]} -d ${quoted(summary)}`,
  )
}

const seen = (words: string): string => `__fish_seen_subcommand_from ${words}`

function linesOf(command: CompletedCommand, commands: readonly CompletedCommand[]): string[] {
  const [first, second] = command.words
  const others = commandsBelow(commands, first).map(({ words }) => words[1])
  const condition =
    second !== undefined
      ? `${seen(first)}; and ${seen(second)}`
      : others.length > 0
        ? `${seen(first)}; and not ${seen(others.join(' '))}`
        : seen(first)
  const start = `complete -c rmbg -n ${quoted(condition)}`
  return [
    ...(command.takesArguments ? [`${start} -F`] : []),
    ...command.flags.map((flag) => `${start} ${flagOptions(flag)}`),
  ]
}

function flagOptions({ name, char, description, takesValue, values }: CompletedFlag): string {
  const value = values.length > 0 ? ` -x -a ${quoted(values.join(' '))}` : takesValue ? ' -r -F' : ''
  return `-l ${name}${char === undefined ? '' : ` -s ${char}`}${value} -d ${quoted(description)}`
}

const quoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
