/** Packages of ours that bring no types. */
declare module 'ini' {
  /** A section that stands twice is one; a key that stands twice has its last value. */
  export function parse(text: string): Record<string, string | boolean | null | Record<string, unknown>>
}

declare module 'pgpass' {
  interface PgPass {
    /** Asks PGPASSFILE, or the file in the home folder. Its name is taken at once, its content later. */
    (
      whom: { host: string; port: number; database: string; user: string },
      answer: (password: string | undefined) => void,
    ): void
    /** Where warnings go; they went to stderr before. */
    warnTo(stream: import('node:stream').Writable): unknown
  }
  const pgpass: PgPass
  export default pgpass
}
