import type { Cache } from './contract.ts'

/** Keeps nothing. */
export const noCache: Cache = {
  remember: (_key, _version, make) => make(),
  figures: async () => undefined,
  close: async () => {},
}
