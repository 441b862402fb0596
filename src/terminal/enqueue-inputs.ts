/** `rmbg enqueue` behind its command line. */
import { createHash } from 'node:crypto'
import { basename, resolve } from 'node:path'
import { RmbgError } from '../errors.ts'
import type { CampaignSettings } from '../fleet/contract.ts'
import { type Enqueued, enqueue } from '../fleet/enqueue.ts'
import { inputNames, listInputs } from '../fleet/list-inputs.ts'
import { recipeToJson } from '../fleet/recipe.ts'
import { modelName } from '../model/contract.ts'
import { isModelPath } from '../model/shelf/registry.ts'
import { assertApart } from '../process/destination.ts'
import { isBucketAddress } from '../process/inputs/addresses.ts'
import { modelParameters, workOf } from '../process/work.ts'
import { withRules } from '../settings/presets.ts'
import type { ResolvedSettings } from '../settings/settings.ts'
import { typedArguments, workingDirectory } from '../system/file-names.ts'
import { openSpill } from '../system/spill.ts'
import { type Recipe, resolveRecipe } from './batch-services.ts'
import type { Frame } from './command.ts'
import type { EnqueueFlags } from './fleet-flags.ts'
import { assertResultStays } from './keep-flag.ts'
import type { Printer } from './printers/printer.ts'
import { asProcessFlags, toInputOptions } from './process-flags.ts'

interface Telling {
  print: Printer
  onWritten: (images: number) => void
}

/** @throws RmbgError USAGE; what `enqueue` throws */
export async function enqueueInputs(
  frame: Frame,
  inputs: readonly string[],
  flags: EnqueueFlags,
  { print, onWritten }: Telling,
): Promise<Enqueued> {
  const { settings, context, stop } = frame
  if (inputs.length === 0 && flags.manifest === undefined) {
    throw new RmbgError('USAGE', 'There is nothing to enqueue.', {
      hint: 'Name what all workers reach: rmbg enqueue s3://bucket/photos/, or rmbg enqueue /mnt/photos',
    })
  }
  const recipe = await resolveRecipe(settings, { ...asProcessFlags(flags), json: false })
  const spec = await context.modelSpec()
  const { cutout, cutoutParams } = withRules(recipe.cutout, recipe.preset)
  const work = workOf({ model: modelParameters(spec), ...cutoutParams })
  const kept: CampaignSettings = {
    model: isModelPath(settings.model) ? resolve(settings.model) : modelName(spec),
    ...settingsOfAll(settings, flags, recipe),
    cutout: recipeToJson(cutout),
    cutoutParams,
  }
  assertApart(recipe.wish.destination, inputs.filter(isBucketAddress))
  const names = inputNames(typedArguments(inputs), flags.manifest, workingDirectory())
  const spill = openSpill()
  try {
    return await enqueue(await context.database(), {
      name: flags.name ?? nameOf(names, work.fingerprint),
      ...{ userId: settings.user, ...work, settings: { ...kept }, inputs: names },
      ...{ shardSize: flags.shard, priority: flags.priority, mayAdd: flags.add },
      list: listInputs(
        { bucket: context.inputBucket, spill, ...places(), signal: stop.signal },
        { ...filesOf(settings, flags, recipe), onNotice: print },
        flags,
      ),
      ...{ signal: stop.signal, onWritten },
    })
  } finally {
    await spill.close()
  }
}

const places = () => ({ stdin: process.stdin, cwd: workingDirectory() })

/** How inputs that are files are found. */
function filesOf(settings: ResolvedSettings, flags: EnqueueFlags, { wish, cutout }: Recipe) {
  const { patterns: _, ...options } = toInputOptions(asProcessFlags(flags), settings, [], {
    wish,
    extension: cutout.extension,
  })
  return options
}

/** The same for the same command, so that it goes on where it was stopped. */
function nameOf(inputs: readonly string[], fingerprint: string): string {
  const digest = createHash('sha256')
    .update(JSON.stringify([inputs, fingerprint]))
    .digest('hex')
    .slice(0, 8)
  const word = basename(inputs[0] ?? '')
    .replaceAll(/[^\p{L}\p{N}]+/gu, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 40)
  return word === '' ? digest : `${word}-${digest}`
}

/** @throws RmbgError USAGE for places that many images cannot go to */
function settingsOfAll(
  settings: ResolvedSettings,
  flags: EnqueueFlags,
  { wish: { destination, masks }, cutout: { extension } }: Recipe,
): Omit<CampaignSettings, 'model' | 'cutout' | 'cutoutParams'> {
  if (!['folder', 'store', 'bucket'].includes(destination.to)) {
    throw new RmbgError(
      'USAGE',
      'A campaign writes many cut-outs: --output has to be a bucket, or a folder that all workers reach.',
      {
        hint: 'Such as --output s3://bucket/cutouts/, or --output /mnt/cutouts/.',
      },
    )
  }
  assertResultStays(settings.keep, { isLocal: destination.to !== 'store' || masks !== undefined })
  return {
    ...{
      maxPixels: settings.maxPixels,
      allowSvg: settings.allowSvg ?? false,
      keep: settings.keep,
      tags: settings.tag,
    },
    extension,
    ...(destination.to === 'folder' && { output: destination.folder, suffix: destination.suffix }),
    ...(destination.to === 'bucket' && {
      outputBucket: {
        ...{ name: destination.bucket, prefix: destination.prefix },
        ending: `${destination.suffix}.${extension}`,
      },
    }),
    originals: settings.originals,
    ...(masks !== undefined && { masks }),
    ...{ checksum: flags.checksum, force: flags.force },
  }
}
