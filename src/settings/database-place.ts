/** Which database is meant: a server, by its URL or by libpq's variables, or the embedded one. */

/** As DATABASE_URL: the embedded database, whatever libpq's variables say. */
export const embeddedDatabase = 'embedded'

/** Leaves everything to libpq's variables. */
export const urlOfVariables = 'postgres://'

/** Variables that say where a server is. Those of a user or a password alone name none. */
const placeVariables = ['PGHOST', 'PGHOSTADDR', 'PGSERVICE', 'PGDATABASE', 'PGPORT'] as const

/** The variable of libpq that names a server, if there is one. Without DATABASE_URL, it is the one that is meant. */
export const placeVariable = (env: NodeJS.ProcessEnv): string | undefined =>
  placeVariables.find((name) => env[name])
