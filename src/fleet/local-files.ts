/** The names of cut-outs and masks on a file system that all workers share. */
import { resolve } from 'node:path'
import type { LocalPath } from '../process/outputs.ts'
import { shownPath } from '../system/file-names.ts'

/**
 * Nobody sees all inputs at once, so each name says which input it is of: `a/x.jpg` becomes `a/x.jpg.png`.
 *
 * @param folder absolute
 * @param ending behind the input's whole name, such as `.png`
 */
export const wholeNames =
  (folder: string, ending: string): LocalPath =>
  ({ relative }) =>
    resolve(folder, `${shownPath(relative)}${ending}`)
