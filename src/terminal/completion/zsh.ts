import { type CompletedCommand, type CompletedFlag, commandsBelow, firstWords } from './words.ts'

/** A function of zsh's completion system, with what each command and flag is for. */
export function zshCompletion(commands: readonly CompletedCommand[]): string {
  const names = firstWords(commands)
  return `#compdef rmbg
# Completion of rmbg in zsh. Put it into a folder of $fpath as _rmbg
_rmbg() {
  local -a commands
  if (( CURRENT == 2 )); then
    commands=(
${names.map(described).join('\n')}
    )
    _describe -t commands command commands
    return
  fi
  case $words[2] in
${names.map(([word]) => topicCase(commands, word)).join('\n')}
  esac
}

_rmbg "$@"
`
}

function topicCase(commands: readonly CompletedCommand[], first: string): string {
  const own = commands.find(({ words }) => words[0] === first && words[1] === undefined)
  const below = commandsBelow(commands, first)
  const lines = [`    ${first})`]
  if (below.length > 0) {
    const second = below.map(({ words, summary }): [string, string] => [words[1] ?? '', summary])
    lines.push(
      '      if (( CURRENT == 3 )) && [[ $words[3] != -* ]]; then',
      '        commands=(',
      ...second.map(described),
      '        )',
      '        _describe -t commands command commands',
      ...(own?.takesArguments ? ['        _files'] : []),
      '        return',
      '      fi',
      '      case $words[3] in',
      ...below.map((command) => `        ${command.words[1]}) ${argumentsOf(command, 2)}; return ;;`),
      '      esac',
    )
  }
  if (own) lines.push(`      ${argumentsOf(own, 1)}`)
  return [...lines, '      ;;'].join('\n')
}

/** @param taken words of the command, which `_arguments` must not see */
function argumentsOf({ flags, takesArguments }: CompletedCommand, taken: number): string {
  const specs = [...flags.map(flagSpec), ...(takesArguments ? ["'*:file:_files'"] : [])]
  return `shift ${taken} words; (( CURRENT -= ${taken} )); _arguments -s -S ${specs.join(' ')}`
}

function flagSpec({ name, char, description, takesValue, values }: CompletedFlag): string {
  const value = values.length > 0 ? `:${name}:(${values.join(' ')})` : takesValue ? `:${name}:_files` : ''
  const text = `[${escaped(description).replaceAll('[', '\\[').replaceAll(']', '\\]')}]${value}`
  if (char === undefined) return `'*--${name}${text}'`
  return `'*'{-${char},--${name}}'${text}'`
}

const described = ([word, summary]: [string, string]): string =>
  `      '${word}:${escaped(summary).replaceAll(':', '\\:')}'`

const escaped = (text: string): string => text.replaceAll("'", "'\\''")
