/** Lists files, folders and globs of a file system that all workers share. */
import { collectInputs, type InputOptions } from '../process/inputs.ts'
import type { FileItem, Page } from './contract.ts'

/** Items of one page. */
const pageSize = 1000

/**
 * In the order of the paths, so a cursor is a path: what was added before it meanwhile is not found.
 *
 * @throws RmbgError as `collectInputs`
 */
export async function* listFiles(
  input: string,
  from: unknown,
  options: Omit<InputOptions, 'patterns'>,
): AsyncGenerator<Page> {
  const after = (from as { after?: string } | undefined)?.after
  let items: FileItem[] = []
  for (const { path, relative } of await collectInputs({ ...options, patterns: [input] })) {
    if (after !== undefined && path <= after) continue
    items.push({ path, below: path.length - relative.length })
    if (items.length < pageSize) continue
    yield { items, cursor: { after: path } }
    items = []
  }
  const last = items.at(-1)
  if (last) yield { items, cursor: { after: last.path } }
}
