/** What a review works with: the log, the store, and models that are opened when somebody wants one. */
import { type Context, openContext } from '../context.ts'
import type { ReviewServices } from '../review/serve.ts'
import { modelsFolder } from '../settings/settings.ts'
import type { Frame } from './command.ts'

/** A place for verdicts and pictures; `close` lets go of the model. */
export interface OpenedReview {
  services: ReviewServices
  /** Models that are installed, by their names. */
  models: string[]
  close(): Promise<void>
}

/** @throws RmbgError of families `database` and `store` */
export async function openReviewServices({ context, settings, stop }: Frame): Promise<OpenedReview> {
  const { listModels } = await import('../model/shelf/list.ts')
  const [database, store, listed] = await Promise.all([
    context.database(),
    context.store(),
    listModels(modelsFolder(settings.home)),
  ])
  let opened: { name: string; context: Context } | undefined
  let owned: Promise<unknown> | undefined
  const close = async () => {
    await opened?.context.close()
    opened = undefined
  }
  return {
    models: listed
      .filter(({ state }) => ['built-in', 'installed', 'own'].includes(state))
      .map(({ name }) => name),
    close,
    services: {
      database,
      store,
      inputBucket: (name) => context.inputBucket(name),
      own: async () => {
        owned ??= context.ownStore(database, { claims: true })
        await owned.catch((error) => {
          owned = undefined
          throw error
        })
      },
      // Two models at once may not fit into memory.
      masksOf: async (name) => {
        if (opened?.name !== name) {
          await close()
          opened = { name, context: openContext({ ...settings, model: name }, { signal: stop.signal }) }
        }
        const { modelSpec, model } = opened.context
        return { spec: await modelSpec(), model }
      },
    },
  }
}
