import { describe, expect, it } from 'vitest'
import { chosenEntries } from '../../src/database/archive-entries.ts'
import { ownNames } from '../../src/database/own-objects.ts'
import { toolFailure } from '../../src/database/pg-tool-failure.ts'

const contents = `;
; Archive created at 2026-11-26 16:17:49 UTC
7; 2615 2200 SCHEMA - public pg_database_owner
3; 3079 20007 EXTENSION - pgcrypto 
4; 3079 20008 EXTENSION - pg_stat_statements 
3640; 0 0 COMMENT - EXTENSION pgcrypto 
220; 1259 20052 TABLE public users anna
3630; 0 20218 TABLE DATA public users anna
306; 1255 20181 FUNCTION public latency_bucket(integer) anna
330; 1255 20287 FUNCTION public theirs(integer) anna
3641; 0 0 COMMENT public FUNCTION theirs(integer) anna
3642; 0 0 COMMENT public COLUMN users.email anna
3466; 2620 20196 TRIGGER public image_process_jobs note_usage_of_change anna
3467; 2620 20197 TRIGGER public image_process_jobs theirs anna
3700; 0 0 ACL public TABLE users anna
3701; 0 0 ACL public FUNCTION theirs(integer) anna
3702; 3256 1 POLICY public users own_rows anna`

describe('what is restored of a dump', async () => {
  const names = await ownNames()
  const ids = (choice: { grants: boolean; ownOnly: boolean }) =>
    chosenEntries(contents, { names, ...choice })
      .split('\n')
      .map((line) => Number.parseInt(line, 10))

  it('is what the migrations made', () => {
    expect(ids({ grants: false, ownOnly: true })).toEqual([220, 3630, 306, 3642, 3466])
  })

  it('are the privileges and policies too, where they are asked for', () => {
    expect(ids({ grants: true, ownOnly: true })).toEqual([220, 3630, 306, 3642, 3466, 3700, 3702])
  })

  it("is all but others' extensions in the dump of an earlier release, which held whole databases", () => {
    expect(ids({ grants: false, ownOnly: false })).toEqual([
      7, 3, 220, 3630, 306, 330, 3641, 3642, 3466, 3467,
    ])
  })
})

it.each([
  [
    'pg_dump: error: query failed: ERROR:  permission denied for table backups',
    'No backup was written. Grant this role SELECT on the table backups.',
  ],
  [
    'pg_restore: error: could not execute query: ERROR:  role "writer" does not exist',
    'Nothing was restored. Create the role writer on that server, or restore without --grants.',
  ],
  [
    'pg_restore: error: could not execute query: ERROR:  permission denied for schema public',
    'CREATE on the schema public',
  ],
  ['pg_restore: error: unsupported version (1.16) in file header', 'A newer pg_dump'],
  ['pg_restore: error: something nobody has seen', 'Nothing was restored.'],
])('%s is told with what helps', (said, hint) => {
  const tool = said.startsWith('pg_dump') ? 'pg_dump' : 'pg_restore'
  expect(toolFailure(tool, said, 1)).toMatchObject({
    code: 'DATABASE_ERROR',
    hint: expect.stringContaining(hint),
  })
})
