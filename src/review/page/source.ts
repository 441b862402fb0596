/** Where a page has its jobs from: the server that gave it, or itself. */
import type {
  Detail,
  RedoSettings,
  Remade,
  SaidVerdict,
  Shown,
  Start,
  StaticReview,
  TilePage,
  TilePlaces,
  Verdict,
  VerdictNews,
} from '../contract.ts'

export type PictureKind = 'original' | 'mask' | 'processed'

export interface ReviewSource {
  /** Whether there is a server: only then cut-outs can be made again. */
  isLive: boolean
  start(): Promise<Start>
  page(shown: Shown, after: string | undefined): Promise<TilePage>
  places(shown: Shown, after: string | undefined): Promise<TilePlaces>
  detail(jobId: string): Promise<Detail>
  /** @returns all that was ever said of the job, the latest first */
  judge(jobId: string, verdict: Verdict, note: string): Promise<SaidVerdict[]>
  /** What others have said since. */
  news(after: number | undefined): Promise<VerdictNews>
  redo(jobId: string, model: string | undefined, changes: Partial<RedoSettings>): Promise<Remade>
  mend(jobId: string, mask: Blob): Promise<Remade>
  putBack(jobId: string, version: string): Promise<Remade>
  /** An address; undefined where there is none. */
  thumbnail(jobId: string): string | undefined
  picture(jobId: string, kind: PictureKind): string | undefined
}

/** What went wrong, in a sentence. */
class AskError extends Error {}

async function ask<T>(path: string, init: RequestInit = {}): Promise<T> {
  const response = await fetch(path, init).catch(() => {
    throw new AskError('rmbg review does not answer: it was ended, or the connection is lost.')
  })
  const body = await response.json().catch(() => undefined)
  if (response.ok) return body as T
  const { message, hint } = body?.error ?? { message: `The server answered ${response.status}.` }
  throw new AskError(hint ? `${message} ${hint}` : message)
}

const post = <T>(path: string, body: unknown): Promise<T> =>
  ask<T>(path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    keepalive: true, // also when the page is closed right behind it
    body: JSON.stringify(body),
  })

const query = (given: Record<string, string | number | undefined>): string =>
  new URLSearchParams(
    Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]])),
  ).toString()

/** Verdicts go one after the other, in the order in which they were said; what is asked next knows of them. */
let saying: Promise<unknown> = Promise.resolve()

function inTurn<T>(send: () => Promise<T>): Promise<T> {
  const sent = saying.then(send)
  saying = sent.catch(() => {})
  return sent
}

const afterThat = <T>(path: string): Promise<T> => saying.then(() => ask<T>(path))

export const serverSource: ReviewSource = {
  isLive: true,
  start: () => ask('api/start'),
  page: (show, after) => afterThat(`api/jobs?${query({ show, after })}`),
  places: (show, after) => ask(`api/places?${query({ show, after })}`),
  detail: (jobId) => afterThat(`api/jobs/${jobId}`),
  judge: (jobId, verdict, note) =>
    inTurn(() => post('api/verdicts', { jobId, verdict, ...(note && { note }) })),
  news: (after) => afterThat(`api/verdicts?${query({ after })}`),
  redo: (jobId, model, changes) => post(`api/jobs/${jobId}/redo`, { ...(model && { model }), changes }),
  mend: (jobId, mask) =>
    ask(`api/jobs/${jobId}/mask`, { method: 'POST', headers: { 'Content-Type': 'image/png' }, body: mask }),
  putBack: (jobId, version) => post(`api/jobs/${jobId}/version`, { jobId: version }),
  thumbnail: (jobId) => `thumbnails/${jobId}`,
  picture: (jobId, kind) => `pictures/${jobId}/${kind}`,
}

const noServer = async (): Promise<never> => {
  throw new AskError('This page has no server: open the pictures with rmbg review to change them.')
}
const asItIs = { background: '', shadow: '', trim: '', padding: '', size: '', refine: '' }

/** A page of `rmbg review --html`: verdicts are kept in it until they are saved as a file. */
export function staticSource(data: StaticReview, said: Map<string, SaidVerdict>): ReviewSource {
  const tiles = data.tiles.map((tile) => tile)
  const tileOf = (jobId: string) => tiles.find((tile) => tile.jobId === jobId)
  const verdictOf = (jobId: string): Verdict => said.get(jobId)?.verdict ?? tileOf(jobId)?.verdict ?? 'open'
  return {
    isLive: false,
    start: async () => ({ who: '', filters: data.filters, models: [] }),
    page: async (shown) => ({
      jobs: tiles
        .map((tile) => ({ ...tile, verdict: verdictOf(tile.jobId) }))
        .filter(({ verdict }) => shown === 'all' || verdict === shown),
    }),
    places: async () => ({ places: [], jobs: 0, isAll: true }),
    detail: async (jobId) => {
      const tile = tileOf(jobId)
      if (!tile) throw new AskError('This page has no such picture.')
      const verdict = said.get(jobId)
      return {
        ...tile,
        verdict: verdictOf(jobId),
        ...{ user: '', createdAt: '', source: null, tags: [], settings: asItIs, lacksBackground: false },
        kept: { original: tile.before !== null, mask: false, processed: tile.picture !== null },
        isOverlay: true,
        said: verdict ? [verdict] : [],
        versions: [],
      }
    },
    judge: async (jobId, verdict, note) => {
      const kept = { jobId, verdict, by: '', at: new Date().toISOString(), note: note || null }
      said.set(jobId, kept)
      return [kept]
    },
    news: async () => ({ verdicts: [], last: 0 }),
    redo: noServer,
    mend: noServer,
    putBack: noServer,
    thumbnail: (jobId) => tileOf(jobId)?.picture ?? tileOf(jobId)?.before ?? undefined,
    picture: (jobId, kind) => {
      const tile = tileOf(jobId)
      return (kind === 'original' ? tile?.before : kind === 'processed' ? tile?.picture : null) ?? undefined
    },
  }
}

/** A file of verdicts, as `rmbg review --apply` takes it. */
export const verdictFile = (said: ReadonlyMap<string, SaidVerdict>): string =>
  JSON.stringify(
    {
      rmbg: 'verdicts',
      version: 1,
      verdicts: [...said.values()].map(({ jobId, verdict, at, note }) => ({
        ...{ jobId, verdict, at },
        ...(note !== null && { note }),
      })),
    },
    undefined,
    2,
  )
