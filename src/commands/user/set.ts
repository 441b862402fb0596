import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import { openContext } from '../../context.ts'
import type { ListedUser } from '../../database/users.ts'
import { RmbgError } from '../../errors.ts'
import { environmentVariable as env, resolveSettings } from '../../settings/settings.ts'
import { BaseCommand } from '../../terminal/command.ts'

export default class UserSet extends BaseCommand {
  static override summary = 'Name a user, or give an e-mail address.'
  static override description =
    `A user that is not known yet is made. With ${env('encryptionKey')} the address is stored encrypted; it stays unique, and user list --email finds it.`
  static override examples = [
    '<%= config.bin %> user set anna --username "Anna Berg" --email anna@example.com',
    '<%= config.bin %> user set anna --email ""',
  ]
  static override enableJsonFlag = true
  static override args = {
    user: Args.string({ required: true, ignoreStdin: true, description: 'the id of the user' }),
  }
  static override flags = {
    username: Flags.string({ description: 'what the user is called' }),
    email: Flags.string({ description: 'the address; an empty one removes it' }),
  }

  async run(): Promise<ListedUser> {
    const { args, flags } = await this.parse(UserSet)
    const { username, email } = flags
    if (username === undefined && email === undefined) {
      throw new RmbgError('USAGE', 'Nothing to set. Give --username or --email.')
    }
    for (const [what, value, limit] of [
      ['The id of a user', args.user, 64],
      ['A name', username ?? 'none', 128],
    ] as const) {
      if (value.trim() === '' || value.length > limit || /\p{Cc}/u.test(value))
        throw new RmbgError('USAGE', `${what} has 1 to ${limit} visible characters.`)
    }
    const settings = await resolveSettings({})
    const context = openContext(settings)
    try {
      const { sql } = await context.database()
      const { setUser } = await import('../../database/users.ts')
      const { emailVault } = await import('../../database/email-cipher.ts')
      const user = await setUser(sql, emailVault(settings.encryptionKey), args.user, {
        ...(username !== undefined && { username: username.trim() }),
        ...(email !== undefined && { email }),
      })
      this.logToStderr(`The user ${args.user} is set${user.emailEncrypted ? ', the address encrypted' : ''}.`)
      return user
    } finally {
      await context.close()
    }
  }
}
