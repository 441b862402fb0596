import * as Flags from '@oclif/core/flags'
import type { ListedUser } from '../../database/users.ts'
import { environmentVariable as env } from '../../settings/settings.ts'
import { BaseCommand } from '../../terminal/command.ts'
import { table } from '../../terminal/table.ts'

export default class UserList extends BaseCommand {
  static override summary = 'List the users whose images were processed.'
  static override description =
    `Shows encrypted e-mail addresses when ${env('encryptionKey')} is the key they were encrypted with.`
  static override examples = [
    '<%= config.bin %> user list',
    '<%= config.bin %> user list --email anna@example.com',
  ]
  static override enableJsonFlag = true
  static override flags = {
    email: Flags.string({ description: 'only the user with this address', exclusive: ['after'] }),
    limit: Flags.integer({ char: 'n', min: 1, max: 10_000, default: 1000, description: 'users to list' }),
    after: Flags.string({ default: '', description: 'start after this id' }),
  }

  async run(): Promise<ListedUser[]> {
    const { flags } = await this.parse(UserList)
    const users = await this.withContext(async ({ context, settings }) => {
      const { sql } = await context.database()
      const { findUserByEmail, listUsers } = await import('../../database/users.ts')
      const { emailCipher } = await import('../../database/email-cipher.ts')
      const cipher = emailCipher(settings.encryptionKey)
      return flags.email === undefined
        ? listUsers(sql, cipher, flags)
        : findUserByEmail(sql, cipher, flags.email)
    })
    if (users.length === 0) this.logToStderr('There is no such user.')
    else this.log(userTable(users))
    const last = users.at(-1)
    if (last && flags.email === undefined && users.length === flags.limit) {
      this.logToStderr(`More: --after ${JSON.stringify(last.userId)}`)
    }
    return users
  }
}

const userTable = (users: readonly ListedUser[]): string =>
  table(
    ['USER', 'NAME', 'E-MAIL', 'SINCE', 'LAST SEEN'],
    users.map(({ userId, username, email, emailEncrypted, createdAt, lastLogin }) => [
      userId,
      username,
      email ?? (emailEncrypted ? '(encrypted)' : ''),
      createdAt.slice(0, 10),
      lastLogin?.slice(0, 10),
    ]),
  )
