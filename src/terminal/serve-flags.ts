import * as Flags from '@oclif/core/flags'
import type * as Interfaces from '@oclif/core/interfaces'
import type { openCutoutService } from '../process/cutout-service.ts'
import type { ResolvedCutout } from '../settings/cutout-settings.ts'
import type { Preset } from '../settings/presets.ts'
import type { ResolvedSettings } from '../settings/settings.ts'
import { endlessFlags, type ProcessFlags, toBatchOptions } from './process-flags.ts'

const helpGroup = 'SERVER'

/** Those that name files of this machine, or speak of what was done before. */
const {
  ignore: _ignore,
  output: _output,
  suffix: _suffix,
  masks: _masks,
  overwrite: _overwrite,
  checksum: _checksum,
  force: _force,
  ...shared
} = endlessFlags

/** Flags of `rmbg serve`: those of `rmbg process` that make sense for pictures that are sent, and how to serve. */
export const serveFlags = {
  listen: Flags.string({
    helpGroup,
    helpValue: '[HOST:]PORT',
    default: '127.0.0.1:7000',
    description: 'where to listen; other machines are let in only with a token (RMBG_SERVER_TOKEN)',
  }),
  'max-body': Flags.string({
    helpGroup,
    helpValue: 'SIZE',
    default: '50MB',
    description: 'refuse pictures whose file is larger than this',
  }),
  'max-waiting': Flags.integer({
    helpGroup,
    min: 0,
    default: 64,
    description: 'refuse pictures while so many are waiting for their turn',
  }),
  ...shared,
}

export type ServeFlags = Interfaces.InferredFlags<typeof serveFlags>

interface ServeWish {
  flags: ProcessFlags
  settings: ResolvedSettings
  cutout: ResolvedCutout
  preset: Preset | undefined
}

/** What all pictures have in common; not who listens, nor what ends the waiting. */
export function toServiceOptions({
  settings,
  ...wish
}: ServeWish): Omit<Parameters<typeof openCutoutService>[1], 'signal' | 'onEvent'> {
  const { keep } = settings
  // Who asks gets the cut-out, so nothing of it needs to stay here.
  const all = { ...settings, keep: ['original' as const, 'mask' as const, 'processed' as const] }
  const local = { destination: { to: 'store' as const }, masks: undefined }
  return { ...toBatchOptions({ ...wish, settings: all, wish: local, candidates: [] }), keep }
}
