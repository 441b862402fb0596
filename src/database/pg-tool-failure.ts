import { RmbgError } from '../errors.ts'

/** What the programs of PostgreSQL say in their own words, and what to do about it. The first that fits is given. */
const remedies: [RegExp, string][] = [
  [
    /permission denied to create extension "([^"]+)"/,
    'A superuser creates the extension $1 in that database first.',
  ],
  [/permission denied for (table|relation|sequence) (\S+)/, 'Grant this role SELECT on the $1 $2.'],
  [/permission denied for schema (\S+)/, 'Grant this role USAGE and CREATE on the schema $1.'],
  [/permission denied for database (\S+)/, 'Grant this role CREATE on the database $1.'],
  [/must be (owner|member|able)/, 'Use the role that owns it in DATABASE_URL.'],
  [/role "([^"]+)" does not exist/, 'Create the role $1 on that server, or restore without --grants.'],
  [/already exists/, 'Restore into an empty database: --into NAME makes one.'],
  [
    /row-level security|row security/,
    'Row security hides rows from this role. Back up as the owner of the tables, or as a role with BYPASSRLS.',
  ],
  [
    /unsupported version .* in file header/,
    'A newer pg_dump wrote this backup: install the client programs of its release.',
  ],
  [/server version mismatch/, "Install the client programs of the server's release."],
  [/No space left|could not extend file/, 'The disk of the server is full: make room there.'],
  [
    /could not read from input file|unexpected end of file|did not find magic string/,
    'The dump is damaged: rmbg backup verify tells. Use another backup.',
  ],
  [
    /(function|operator class|type|operator) .* does not exist/,
    'Something of this program depends on an object of somebody else, which is not in the backup. Create that first.',
  ],
  [
    /connection to server .* failed|could not connect|no pg_hba.conf entry|authentication failed/,
    'It reads the same DATABASE_URL as rmbg: look at its host, password and sslmode, and at pg_hba.conf.',
  ],
  [
    /snapshot .* does not exist|invalid snapshot/,
    'It must reach the same server in the same session: not through a pooler, and not on a standby that was restarted.',
  ],
  [
    /canceling statement|terminating connection|server closed the connection/,
    'The server ended it. Run it again.',
  ],
]

/** What became of the files and rows: nothing, in both cases. */
const outcomes = { pg_dump: 'No backup was written.', pg_restore: 'Nothing was restored.' }

/**
 * The failure of pg_dump or pg_restore as an error with the remedy that fits what it said.
 *
 * @param said its stderr
 */
export function toolFailure(
  tool: 'pg_dump' | 'pg_restore',
  said: string,
  status: number | string | null,
): RmbgError {
  const reason = said
    .split('\n')
    .find((line) => /error|fatal/i.test(line))
    ?.replace(/^pg_\w+: (error: )?/, '')
    .trim()
  const found = remedies
    .map(([pattern, remedy]) => [pattern.exec(said), remedy] as const)
    .find(([match]) => match)
  const remedy =
    found &&
    [...(found[0] ?? [])].reduce<string>(
      (text, group, index) => text.replaceAll(`$${index}`, (group ?? '').replace(/[;,.]$/, '')),
      found[1],
    )
  return new RmbgError('DATABASE_ERROR', `${tool} failed: ${reason || `status ${status}`}.`, {
    hint: [outcomes[tool], remedy].filter(Boolean).join(' '),
  })
}
