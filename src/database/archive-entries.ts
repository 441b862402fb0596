import type { OwnNames } from './own-objects.ts'

/** What hangs on a table or sequence, or is one: in a dump of our own objects, all of these are ours. */
const ofTables = new Set([
  ...['TABLE', 'TABLE DATA', 'TABLE ATTACH', 'SEQUENCE', 'SEQUENCE OWNED BY', 'SEQUENCE SET', 'DEFAULT'],
  ...['CONSTRAINT', 'CHECK CONSTRAINT', 'FK CONSTRAINT', 'INDEX', 'INDEX ATTACH', 'STATISTICS', 'COLUMN'],
])
/** What pg_dump cannot leave out by name, so that others' may be among them. */
const named = new Set(['FUNCTION', 'PROCEDURE', 'TYPE', 'DOMAIN', 'VIEW', 'MATERIALIZED VIEW', 'TRIGGER'])
/** Who may do what: these name roles, which another server may not have. */
const privileges = new Set(['ROW SECURITY', 'POLICY'])

export interface EntryChoice {
  names: OwnNames
  /** Also privileges and row policies. */
  grants: boolean
  /** False for a dump of a whole database, as earlier releases made them: then only extensions of others are left out. */
  ownOnly: boolean
}

/**
 * Chooses from the table of contents that `pg_restore --list` prints. Schemas and our extensions are left out: whoever
 * restores makes them first, where they are missing.
 *
 * @returns lines for `pg_restore --use-list`, in the same order
 */
export function chosenEntries(list: string, choice: EntryChoice): string {
  return list
    .split('\n')
    .filter((line) => {
      const [, entry] = /^\d+; \d+ \d+ (.+)$/.exec(line) ?? []
      return entry !== undefined && isWanted(entry, choice)
    })
    .join('\n')
}

function isWanted(entry: string, choice: EntryChoice): boolean {
  const { kind, rest } = splitEntry(entry)
  if (kind === 'ACL') return choice.grants && isWantedTarget(rest, choice)
  if (kind === 'COMMENT') return isWantedTarget(rest, choice)
  if (privileges.has(kind)) return choice.grants
  if (!choice.ownOnly) return kind !== 'EXTENSION' || isOwn(kind, rest, choice.names)
  return ofTables.has(kind) || (named.has(kind) && isOwn(kind, rest, choice.names))
}

/** Of a comment or a privilege: `public FUNCTION fold_usage() owner`. */
function isWantedTarget(rest: string, choice: EntryChoice): boolean {
  const { kind, rest: target } = splitEntry(rest.slice(rest.indexOf(' ') + 1))
  if (kind === 'SCHEMA') return choice.grants && rest.startsWith('- ') && !target.startsWith('public ')
  if (kind === 'EXTENSION') return false
  if (!choice.ownOnly || ofTables.has(kind)) return true
  return named.has(kind) && isOwn(kind, target, choice.names)
}

const kinds = [...ofTables, ...named, ...privileges, 'ACL', 'COMMENT', 'SCHEMA', 'EXTENSION'].sort(
  (a, b) => b.length - a.length,
)

function splitEntry(entry: string): { kind: string; rest: string } {
  const kind = kinds.find((each) => entry.startsWith(`${each} `)) ?? ''
  return { kind, rest: entry.slice(kind.length + 1) }
}

/** Names come after the schema, and before the arguments of a function or the owner. */
const isOwn = (kind: string, rest: string, names: OwnNames): boolean =>
  rest.split(/[ (]/).some((word) => names.get(kind)?.has(word))
