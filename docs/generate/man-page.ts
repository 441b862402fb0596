/** The man page, made of what the commands say of themselves. */
import type { Command } from '@oclif/core/command'

export interface ManPage {
  version: string
  description: string
  /** As in `oclif.manifest.json`. */
  commands: Record<string, Command.Cached>
  exitStatuses: readonly { status: string; meaning: string }[]
}

/** @returns roff for `man -l` */
export function manPage({ version, description, commands, exitStatuses }: ManPage): string {
  const shown = Object.values(commands)
    .filter(({ hidden }) => !hidden)
    .sort((a, b) => (a.id < b.id ? -1 : 1))
  return [
    `.TH RMBG 1 "" "rmbg-batch ${version}" "User Commands"`,
    '.SH NAME',
    'rmbg \\- remove the background of images in batches',
    '.SH SYNOPSIS',
    '.B rmbg',
    '.I command',
    '[arguments] [flags]',
    '.SH DESCRIPTION',
    text(description),
    '.SH COMMANDS',
    ...shown.flatMap(commandLines),
    '.SH EXIT STATUS',
    ...exitStatuses.flatMap(({ status, meaning }) => ['.TP', bold(status), text(meaning)]),
    '.SH FILES',
    '.TP',
    bold('rmbg.config.json'),
    'Settings of a folder. "rmbg config" shows every setting, where it comes from, and your own file.',
    '.SH SEE ALSO',
    'The folder docs of the package, and "rmbg help" with the name of a command.',
    '',
  ].join('\n')
}

function commandLines({ id, summary, description, args, flags, examples }: Command.Cached): string[] {
  const command = `rmbg ${id.replaceAll(':', ' ')}`
  const shown = Object.values(flags).filter(({ hidden }) => !hidden)
  return [
    `.SS ${text(command)}`,
    text(summary ?? ''),
    ...paragraphs(description ?? ''),
    ...Object.values(args).flatMap(({ name, description }) => ['.TP', italic(name), text(description ?? '')]),
    ...shown.flatMap((flag) => ['.TP', flagTerm(flag), text(flagText(flag))]),
    ...(Array.isArray(examples) && examples.length > 0
      ? ['.P', 'Examples:', '.EX', ...examples.map((example) => text(`  ${withBin(String(example))}`)), '.EE']
      : []),
  ]
}

function flagTerm(flag: Command.Flag.Cached): string {
  const names = [...(flag.char === undefined ? [] : [`-${flag.char}`]), `--${flag.name}`]
  const shown = bold(names.join(', '))
  if (flag.type !== 'option') return shown
  return `${shown} ${italic(flag.options?.join('|') ?? flag.helpValue?.toString() ?? flag.name.toUpperCase())}`
}

const flagText = ({ summary, description }: Command.Flag.Cached): string => summary ?? description ?? ''

const paragraphs = (description: string): string[] =>
  description
    .split(/\n\n+/)
    .filter((paragraph) => paragraph !== '')
    .flatMap((paragraph) => ['.P', ...paragraph.split('\n').map(text)])

const withBin = (example: string): string => example.replaceAll('<%= config.bin %>', 'rmbg')

const bold = (term: string): string => `\\fB${text(term)}\\fR`
const italic = (term: string): string => `\\fI${text(term)}\\fR`

/** Text that roff takes as such: no escapes, no requests, and hyphens that can be copied. */
const text = (plain: string): string =>
  withBin(plain)
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^([.'])/, '\\&$1')
