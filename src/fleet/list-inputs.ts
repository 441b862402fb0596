/** Lists what a campaign is about, one input after the other, each with a cursor of its own. */
import { resolve } from 'node:path'
import { isAddress } from '../process/inputs/addresses.ts'
import { type SourceCursor, type SourceServices, sourcePages } from '../process/inputs/sources.ts'
import type { InputOptions } from '../process/inputs.ts'
import type { Item, ListInput, Page } from './contract.ts'
import { listFiles } from './list-files.ts'

const manifestMark = 'manifest:'

/** Inputs as a campaign keeps them: the same wherever the command is run again. */
export function inputNames(inputs: readonly string[], manifest: string | undefined, cwd: string): string[] {
  const absolute = (place: string) => (isAddress(place) || place === '-' ? place : resolve(cwd, place))
  return [
    ...inputs.map(absolute),
    ...(manifest === undefined ? [] : [`${manifestMark}${absolute(manifest)}`]),
  ]
}

/** @param files for inputs that are files, folders and globs */
export const listInputs =
  (
    services: SourceServices,
    files: Omit<InputOptions, 'patterns'>,
    { listers }: { listers: number },
  ): ListInput =>
  (input, from) => {
    const manifest = input.startsWith(manifestMark) ? input.slice(manifestMark.length) : undefined
    if (manifest === undefined && !isAddress(input)) return listFiles(input, from, files)
    const addresses = manifest === undefined ? [input] : []
    return pagesOf({ addresses, manifest, ignore: files.ignore, listers }, services, from as SourceCursor)
  }

async function* pagesOf(...asked: Parameters<typeof sourcePages>): AsyncGenerator<Page> {
  for await (const { items, broken, base, cursor } of sourcePages(...asked)) {
    const below = base.length
    const all: Item[] = items.map((item) => ({ ...item, below }))
    for (const line of broken) all.push({ broken: line })
    yield { items: all, cursor }
  }
}
