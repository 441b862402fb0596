import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import type { ListedUser } from '../../database/users.ts'
import { RmbgError } from '../../errors.ts'
import { environmentVariable as env } from '../../settings/settings.ts'
import { BaseCommand } from '../../terminal/command.ts'

export default class UserSet extends BaseCommand {
  static override summary = 'Set the name or the e-mail address of a user.'
  static override description =
    `Creates the user if the id is new. With ${env('encryptionKey')} the address is stored encrypted; it stays unique, and user list --email finds it.`
  static override examples = [
    '<%= config.bin %> user set anna --username "Anna Berg" --email anna@example.com',
    '<%= config.bin %> user set anna --email ""',
  ]
  static override enableJsonFlag = true
  static override args = {
    user: Args.string({ required: true, ignoreStdin: true, description: 'the id of the user' }),
  }
  static override flags = {
    username: Flags.string({ description: 'the name of the user' }),
    email: Flags.string({ description: 'the address; an empty one removes it' }),
  }

  async run(): Promise<ListedUser> {
    const { args, flags } = await this.parse(UserSet)
    const { username, email } = flags
    if (username === undefined && email === undefined) {
      throw new RmbgError('USAGE', 'Nothing to set. Give --username or --email.')
    }
    return this.withContext(
      async ({ context, settings }) => {
        const { sql } = await context.database()
        const { setUser } = await import('../../database/users.ts')
        const { emailCipher } = await import('../../database/email-cipher.ts')
        const user = await setUser(sql, emailCipher(settings.encryptionKey), args.user, {
          ...(username !== undefined && { username: username.trim() }),
          ...(email !== undefined && { email }),
        })
        this.logToStderr(
          `The user ${args.user} is set${user.emailEncrypted ? ', the address encrypted' : ''}.`,
        )
        return user
      },
      { namesDatabase: true },
    )
  }
}
