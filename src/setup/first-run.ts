/** Whether a person is to be asked for a better model, once. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { bestInstalled } from '../model/shelf/auto.ts'
import { modelsFolder, type ResolvedSettings } from '../settings/settings.ts'
import { writeAtomically } from '../system/files.ts'

const answerOf = (home: string): string => join(home, 'setup', 'not-now.json')

/** Only for whoever left the choice to the program, has nothing better than the built-in model, and was not asked before. */
export async function mayOffer({ home, model }: ResolvedSettings): Promise<boolean> {
  if (model !== 'auto' || (await bestInstalled(modelsFolder(home)))) return false
  const answered = await stat(answerOf(home)).catch(() => undefined)
  return answered === undefined
}

/** Remembers that the person does not want to be asked again. A folder that cannot be written to is no reason to stop. */
export async function rememberNotNow({ home }: ResolvedSettings): Promise<void> {
  const answer = JSON.stringify({ answer: 'not now', at: new Date().toISOString() })
  await writeAtomically(answerOf(home), Buffer.from(`${answer}\n`), { what: 'answer' }).catch(() => {})
}
