/** The lines of a page's fenced `sh` blocks that are commands, continued lines joined. */
export function shellLinesIn(markdown: string): string[] {
  return blocksIn(markdown, 'sh').flatMap((block) =>
    block
      .replace(/\\\n\s*/g, ' ')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#')),
  )
}

/** The commands of the crontab lines in a page's fenced blocks. */
export function cronCommandsIn(markdown: string): string[] {
  const times = /^(?:[\d*/,-]+ +){4}[\d*/,-]+ +(\S.*)$/gm
  return blocksIn(markdown, '').flatMap((block) =>
    [...block.matchAll(times)].map(([, command = '']) => command),
  )
}

export interface Unit {
  /** As the block's first line names it: `rmbg-nightly.service`. */
  name: string
  text: string
  /** In order. */
  commands: string[]
  environment: string[]
  environmentFiles: string[]
}

/** The systemd units of a page: fenced `ini` blocks that begin with their path. */
export function unitsIn(markdown: string): Unit[] {
  return blocksIn(markdown, 'ini').flatMap((text) => {
    const [, name] = /^# \/etc\/systemd\/system\/(\S+)\n/.exec(text) ?? []
    if (name === undefined) return []
    const valuesOf = (key: string) =>
      [...text.matchAll(new RegExp(`^${key}=-?(.*)$`, 'gm'))].map(([, value = '']) => value)
    return [
      {
        ...{ name, text },
        commands: valuesOf('ExecStart'),
        environment: valuesOf('Environment'),
        environmentFiles: valuesOf('EnvironmentFile'),
      },
    ]
  })
}

const blocksIn = (markdown: string, language: string): string[] =>
  [...markdown.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].flatMap(([, named, block = '']) =>
    named === language ? [block] : [],
  )
