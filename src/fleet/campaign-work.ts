/** A campaign as a worker works on it: its settings with what this machine has. */
import type { Semaphore } from 'async-mutex'
import type { Campaign } from '../database/campaigns.ts'
import { ensurePartitions } from '../database/partitions.ts'
import { upsertUser } from '../database/users.ts'
import { RmbgError } from '../errors.ts'
import { openBatch } from '../process/batch.ts'
import type { Batch, BatchOptions, BatchServices, Masks } from '../process/contract.ts'
import type { BatchEvent } from '../process/events.ts'
import { planWholeNames } from '../process/outputs.ts'
import { modelParameters, workOf } from '../process/work.ts'
import type { OutputBucket } from '../store/output-bucket.ts'
import type { CampaignSettings } from './contract.ts'
import { recipeFromJson } from './recipe.ts'

export interface CampaignWork {
  campaign: Campaign
  settings: CampaignSettings
  batch: Batch
}

export interface WorkerServices extends Omit<BatchServices, 'masks'> {
  /** Finds a model by the name that a campaign gives. @throws RmbgError of family `model` */
  masks: (model: string) => Promise<Masks>
  /** Opens a bucket to write cut-outs to. @throws RmbgError REFUSED */
  outputBucket: (name: string, prefix: string) => Promise<OutputBucket>
}

/** What a worker brings along, the same for every campaign. */
export interface WorkerLimits extends Pick<BatchOptions, 'concurrency' | 'maxMemory' | 'signal'> {
  runId: string
  onEvent: (event: BatchEvent) => void
}

/**
 * @param memory shared by all campaigns of this worker
 * @throws RmbgError MODEL_INVALID when this machine's model of that name is another one; of family `model` when there is
 *   none; of family `database`
 */
export async function openCampaignWork(
  campaign: Campaign,
  services: WorkerServices,
  limits: WorkerLimits,
  memory: Semaphore,
): Promise<CampaignWork> {
  const settings = campaign.settings as unknown as CampaignSettings
  const masks = await services.masks(settings.model)
  assertSameModel(campaign, settings, masks)
  await upsertUser(services.database.sql, campaign.userId)
  await ensurePartitions(services.database.sql)
  const { output, masks: maskFolder, suffix = '', cutout, outputBucket: place } = settings
  const recipe = recipeFromJson(cutout)
  const batch = openBatch(
    [],
    { ...services, masks },
    {
      ...limits,
      ...settings,
      user: campaign.userId,
      cutout: recipe,
      output: output ?? (place && `s3://${place.name}/${place.prefix}`),
      // Every cut-out has a place of its own, and nothing that is not ours is replaced.
      overwrite: false,
      outputBucket: place && { ...place, bucket: await services.outputBucket(place.name, place.prefix) },
      outputOf: output === undefined ? undefined : planWholeNames(output, settings.extension, suffix),
      maskOf: maskFolder === undefined ? undefined : planWholeNames(maskFolder, 'png'),
      dryRun: false,
      maxFailures: Number.POSITIVE_INFINITY,
    },
    memory,
  )
  return { campaign, settings, batch }
}

function assertSameModel(campaign: Campaign, { model, cutoutParams }: CampaignSettings, masks: Masks): void {
  if (masks === 'from-store') return
  const { fingerprint } = workOf({ model: modelParameters(masks.spec), ...cutoutParams })
  if (fingerprint === campaign.fingerprint) return
  throw new RmbgError(
    'MODEL_INVALID',
    `The model ${JSON.stringify(model)} of this machine is not the one that the campaign ${JSON.stringify(campaign.name)} was enqueued with.`,
    { hint: 'Install the same file, and the same release of rmbg, on every machine of the fleet.' },
  )
}
