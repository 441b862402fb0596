import type { Database } from '../../database/contract.ts'

/** Which database a command works in: the first line of those that write. */
export const databaseText = ({ kind, location }: Pick<Database, 'kind' | 'location'>): string =>
  `Working in the ${kind === 'embedded' ? location : `database ${location}`}`
