import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { root } from './cli.ts'

interface Manifest {
  commands: Record<string, { aliases: string[]; flags: Record<string, Flag> }>
}
interface Flag {
  char?: string
  aliases?: string[]
  allowNo?: boolean
  options?: string[]
}

const manifest: Manifest = JSON.parse(await readFile(join(root, 'oclif.manifest.json'), 'utf8'))
const commands = new Map(
  Object.entries(manifest.commands).flatMap(([id, { aliases, flags }]) =>
    [id, ...aliases].map((name) => [name.replaceAll(':', ' '), flags] as const),
  ),
)
const topics = new Set([...commands.keys()].map((name) => name.split(' ')[0]))
/** Every command has these. */
const global = ['--help', '-h', '--version', '-v']

/**
 * Looks for `rmbg …` in the code of a Markdown text: in every line of a fenced block and in code spans.
 * oclif.manifest.json, which another test compares with the commands, says what there is.
 *
 * @returns a sentence for each command, flag or flag's value that rmbg does not know, and how many commands were read
 */
export function checkCommandsIn(markdown: string): { read: number; unknown: string[] } {
  const calls = codeIn(markdown).flatMap(callsIn)
  return { read: calls.length, unknown: calls.flatMap(unknownIn) }
}

/** Lines of fenced blocks, continued lines joined, and the code spans of everything else. */
export function codeIn(markdown: string): string[] {
  const code: string[] = []
  const prose = markdown.replace(/^( *)(```+|~~~+).*\n([\s\S]*?)^\1\2 *$/gm, (_, _indent, _fence, block) => {
    code.push(...block.replace(/\\\n/g, ' ').split('\n'))
    return ''
  })
  const spans = prose.matchAll(/(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)/g)
  return [...code, ...[...spans].map(([, , span]) => span!)]
}

/** The words behind each `rmbg` of a line of shell, up to the end of that call. */
export function callsIn(line: string): string[][] {
  const calls: string[][] = []
  let call: string[] | undefined
  let depth = 0
  for (const [word] of line.matchAll(/(?:[^\s"']|"[^"]*"|'[^']*')+|["']/g)) {
    // A bar within the brackets of a usage line is no pipe.
    const ends = depth === 0 && /^(\|\|?|&&?|;|#.*|\d?>.*|<)$/.test(word)
    depth += word.split('[').length - word.split(']').length
    if (ends) call = undefined
    else if (call) call.push(word)
    else if (word === 'rmbg') {
      call = []
      calls.push(call)
    }
    if (/[^\\];$/.test(word)) call = undefined
  }
  return calls
}

function unknownIn(call: string[]): string[] {
  const [first, second] = call
  if (first === undefined || !/^[a-z]/.test(first) || first === 'help') return []
  const name = [`${first} ${second}`, first].find((candidate) => commands.has(candidate))
  if (name === undefined) {
    // `rmbg model --help` lists the commands of a topic.
    if (topics.has(first) && (second === undefined || second.startsWith('-'))) return []
    return [`There is no command "rmbg ${call.slice(0, 2).join(' ')}".`]
  }
  const flags = commands.get(name) ?? {}
  return call.flatMap((word, index) => {
    const [, given, value] = /^\[*\(?(--[a-z][\w-]*|-[a-zA-Z])\b(?:=([^\]]*))?/.exec(word) ?? []
    if (given === undefined || global.includes(given)) return []
    const flag = flagNamed(flags, given)
    if (!flag) return [`"rmbg ${name}" has no flag ${given}.`]
    const chosen = value ?? call[index + 1] ?? ''
    // Only a plain word is a value: usage lines show a placeholder or a choice.
    if (!flag.options || !/^[a-z0-9.-]+$/.test(chosen) || flag.options.includes(chosen)) return []
    return [`"rmbg ${name}" does not take ${given} ${chosen}.`]
  })
}

const flagNamed = (flags: Record<string, Flag>, given: string): Flag | undefined =>
  Object.entries(flags).find(([name, { char, aliases = [], allowNo }]) =>
    [
      `--${name}`,
      ...aliases.map((alias) => `--${alias}`),
      ...(char ? [`-${char}`] : []),
      ...(allowNo ? [`--no-${name}`] : []),
    ].includes(given),
  )?.[1]
