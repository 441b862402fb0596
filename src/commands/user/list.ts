import * as Flags from '@oclif/core/flags'
import { openContext } from '../../context.ts'
import type { ListedUser } from '../../database/users.ts'
import { environmentVariable as env, resolveSettings } from '../../settings/settings.ts'
import { BaseCommand } from '../../terminal/command.ts'
import { table } from '../../terminal/table.ts'

export default class UserList extends BaseCommand {
  static override summary = 'List the users whose images were processed.'
  static override description =
    `E-mail addresses that are stored encrypted are shown when ${env('encryptionKey')} opens them.`
  static override examples = [
    '<%= config.bin %> user list',
    '<%= config.bin %> user list --email anna@example.com',
  ]
  static override enableJsonFlag = true
  static override flags = {
    email: Flags.string({ description: 'the user of this address', exclusive: ['after'] }),
    limit: Flags.integer({ char: 'n', min: 1, max: 10_000, default: 1000, description: 'users to list' }),
    after: Flags.string({ default: '', description: 'go on behind this id' }),
  }

  async run(): Promise<ListedUser[]> {
    const { flags } = await this.parse(UserList)
    const settings = await resolveSettings({})
    const context = openContext(settings)
    try {
      const { sql } = await context.database()
      const { findUserByEmail, listUsers } = await import('../../database/users.ts')
      const { emailVault } = await import('../../database/email-cipher.ts')
      const vault = emailVault(settings.encryptionKey)
      const users =
        flags.email === undefined
          ? await listUsers(sql, vault, flags)
          : await findUserByEmail(sql, vault, flags.email)
      const shown = ({ email, emailEncrypted }: ListedUser) => email ?? (emailEncrypted ? '(encrypted)' : '')
      if (users.length === 0) this.logToStderr('There is no such user.')
      else {
        this.log(
          table(
            ['USER', 'NAME', 'E-MAIL', 'SINCE', 'LAST SEEN'],
            users.map((user) => [
              user.userId,
              user.username,
              shown(user),
              user.createdAt.slice(0, 10),
              user.lastLogin?.slice(0, 10),
            ]),
          ),
        )
      }
      if (flags.email === undefined && users.length === flags.limit) {
        this.logToStderr(`More: --after ${JSON.stringify(users.at(-1)!.userId)}`)
      }
      return users
    } finally {
      await context.close()
    }
  }
}
