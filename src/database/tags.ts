import type postgres from 'postgres'
import { RmbgError } from '../errors.ts'
import { withDatabase } from './errors.ts'

/**
 * A tag as it is stored: trimmed, 1 to 64 characters.
 *
 * @throws RmbgError USAGE
 */
export function tagName(tag: string): string {
  const name = tag.trim()
  if (name.length === 0 || name.length > 64 || /\p{Cc}/u.test(name)) {
    throw new RmbgError(
      'USAGE',
      `The tag ${JSON.stringify(tag)} is not usable: a tag has 1 to 64 visible characters.`,
    )
  }
  return name
}

/** Gives every job every tag; what is there already stays. */
export async function tagJobs(
  sql: postgres.Sql,
  jobIds: readonly string[],
  tags: readonly string[],
): Promise<void> {
  // In one order everywhere, so that two runs adding the same new tags cannot wait for each other in a circle.
  const names = [...new Set(tags.map(tagName))].sort()
  if (jobIds.length === 0 || names.length === 0) return
  await withDatabase(
    () => sql`
      insert into tags (name) select jsonb_array_elements_text(${sql.json(names)}) on conflict (name) do nothing`,
  )
  await withDatabase(
    () => sql`
      insert into image_tags (job_id, tag_id)
      select job_id::uuid, tag_id from jsonb_array_elements_text(${sql.json([...jobIds])}) as job_id, tags
      where tags.name in ${sql(names)}
      on conflict do nothing`,
  )
}
