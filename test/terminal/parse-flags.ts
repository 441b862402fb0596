import type * as Interfaces from '@oclif/core/interfaces'
import { BaseCommand } from '../../src/terminal/command.ts'

/** What a command with these flags gets of a command line. */
export async function parseFlags<Flags extends Interfaces.FlagInput>(
  flags: Flags,
  argv: readonly string[],
): Promise<Interfaces.InferredFlags<Flags>> {
  class Parsing extends BaseCommand {
    async run(): Promise<Interfaces.InferredFlags<Flags>> {
      const parsed = await this.parse({ flags, strict: false }, this.argv)
      return parsed.flags as unknown as Interfaces.InferredFlags<Flags>
    }
  }
  const config = { bin: 'rmbg', plugins: new Map(), runHook: async () => ({ failures: [], successes: [] }) }
  return new Parsing([...argv], config as never).run()
}
