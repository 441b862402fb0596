import type postgres from 'postgres'
import { withDatabase } from './errors.ts'

/** Makes the user known, and seen now. A new user is called by the id until somebody names it. */
export async function upsertUser(sql: postgres.Sql, userId: string): Promise<void> {
  await withDatabase(
    () => sql`
      insert into users (user_id, username, last_login) values (${userId}, ${userId}, now())
      on conflict (user_id) do update set last_login = excluded.last_login`,
  )
}
