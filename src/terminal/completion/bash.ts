import { type CompletedCommand, commandsBelow, firstWords } from './words.ts'

/** Where the script finds nothing to offer, bash completes files (`-o default`). */
export function bashCompletion(commands: readonly CompletedCommand[]): string {
  const first = firstWords(commands).map(([word]) => word)
  const topics = first.filter((word) => commandsBelow(commands, word).length > 0)
  return `# Completion of rmbg in bash. Put it into ~/.local/share/bash-completion/completions/rmbg
_rmbg() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]}
  local command=\${COMP_WORDS[1]} flags='' values=''
  COMPREPLY=()
  # bash takes --flag=value apart.
  if [[ $cur == '=' ]]; then cur=''; elif [[ $prev == '=' ]]; then prev=\${COMP_WORDS[COMP_CWORD-2]}; fi
  if (( COMP_CWORD == 1 )); then
    COMPREPLY=( $(compgen -W '${first.join(' ')}' -- "$cur") )
    return
  fi
  case "$command \${COMP_WORDS[2]}" in
${commands
  .filter(({ words }) => words[1] !== undefined)
  .map(({ words }) => `    '${words.join(' ')}') (( COMP_CWORD > 2 )) && command='${words.join(' ')}' ;;`)
  .join('\n')}
  esac
  if (( COMP_CWORD == 2 )) && [[ $cur != -* ]]; then
    case $command in
${topics.map((word) => `      ${word}) COMPREPLY=( $(compgen -W '${secondWords(commands, word)}' -- "$cur") ) ;;`).join('\n')}
    esac
    (( \${#COMPREPLY[@]} > 0 )) && return
  fi
  case "$command $prev" in
${commands.flatMap(valueCases).join('\n')}
  esac
  if [[ -n $values ]]; then
    COMPREPLY=( $(compgen -W "$values" -- "$cur") )
    return
  fi
  [[ $cur == -* ]] || return
  case $command in
${commands.map((command) => `    '${command.words.join(' ')}') flags='${flagsOf(command)}' ;;`).join('\n')}
  esac
  COMPREPLY=( $(compgen -W "$flags" -- "$cur") )
}
complete -o default -F _rmbg rmbg
`
}

const secondWords = (commands: readonly CompletedCommand[], first: string): string =>
  commandsBelow(commands, first)
    .map(({ words }) => words[1])
    .join(' ')

const flagsOf = ({ flags }: CompletedCommand): string => flags.map(({ name }) => `--${name}`).join(' ')

const valueCases = ({ words, flags }: CompletedCommand): string[] =>
  flags
    .filter(({ values }) => values.length > 0)
    .map(({ name, char, values }) => {
      const patterns = [`--${name}`, ...(char === undefined ? [] : [`-${char}`])]
      const cases = patterns.map((flag) => `'${words.join(' ')} ${flag}'`).join('|')
      return `    ${cases}) values='${values.join(' ')}' ;;`
    })
