import * as Args from '@oclif/core/args'
import { campaignNameOf } from './fleet-flags.ts'

/** The argument of commands about one campaign. */
export const campaignArg = {
  name: Args.string({
    required: true,
    ignoreStdin: true,
    description: 'name of the campaign',
    parse: async (input: string) => campaignNameOf('NAME', input),
  }),
}
