// A fleet's enqueue and work without a command line, and with a model that only takes time: for a Node that pg-boss
// supports, which reads TypeScript as it is. One JSON object as argument; events as NDJSON on stdout.
import { setTimeout as sleep } from 'node:timers/promises'
import { queuesOf } from '../../src/database/campaigns.ts'
import { connectServer } from '../../src/database/connect.ts'
import { setDatabasePatience } from '../../src/database/errors.ts'
import { openQueue } from '../../src/database/queue.ts'
import { candidatesFrom } from '../../src/fleet/candidates.ts'
import { enqueue } from '../../src/fleet/enqueue.ts'
import { holdShard } from '../../src/fleet/held-shard.ts'
import { listFiles } from '../../src/fleet/list-files.ts'
import { recipeToJson } from '../../src/fleet/recipe.ts'
import { settleShard } from '../../src/fleet/settle.ts'
import { cancelCampaign, retryCampaign } from '../../src/fleet/steer.ts'
import { runWorker } from '../../src/fleet/work.ts'
import { modelParameters, workOf } from '../../src/process/work.ts'
import { resolveCutout } from '../../src/settings/cutout-settings.ts'
import { directoryStore } from '../../src/store/directory.ts'
import { patience } from '../../src/system/patience.ts'
import { openTelemetry } from '../../src/telemetry/open.ts'

const given = JSON.parse(process.argv[2])
const tell = (event) => process.stdout.write(`${JSON.stringify(event)}\n`)
const stop = new AbortController()
process.once('SIGTERM', () => stop.abort())

const spec = {
  name: 'nothing',
  sha256: '0'.repeat(64),
  inputSize: [8, 8],
  normalisation: {},
  activation: 'none',
}

/** Takes its time; a picture that is all red ends the process, as one does that takes all memory. */
const model = {
  ...{ spec, inputSize: { width: 8, height: 8 }, provider: 'none', notice: undefined, close: async () => {} },
  predict: async (rgb) => {
    if (given.poison && rgb[0] > 240 && rgb[1] < 20 && rgb[2] < 20) process.kill(process.pid, 'SIGKILL')
    await sleep(given.modelMs ?? 0)
    return { alpha: new Float32Array(64).fill(1), width: 8, height: 8, inferenceMs: given.modelMs ?? 0 }
  },
}

/** An object store that is away while a file is there. */
function openStore() {
  const store = directoryStore(given.store)
  if (!given.awayFile) return store
  const { existsSync } = process.getBuiltinModule('node:fs')
  const guard =
    (act) =>
    async (...args) => {
      if (!existsSync(given.awayFile)) return act(...args)
      const { RmbgError } = await import('../../src/errors.ts')
      throw new RmbgError('STORE_UNAVAILABLE', 'The object store is away.')
    }
  return { ...store, put: guard(store.put), check: guard(store.check) }
}

async function enqueueFolder(database) {
  const cutout = await resolveCutout({})
  const work = workOf({ model: modelParameters(spec), ...cutout.params })
  const settings = {
    ...{ model: 'nothing', maxPixels: 1e9, allowSvg: false, keep: ['processed'], tags: [], extension: 'png' },
    ...{
      cutout: recipeToJson(cutout.options),
      cutoutParams: cutout.params,
      originals: 'reference',
      checksum: false,
      force: false,
    },
  }
  const options = {
    stdin: process.stdin,
    ignore: [],
    takesJobs: false,
    excludeFolders: [],
    cwd: '/',
    onNotice: () => {},
  }
  const list = given.keys ? madeUpKeys : (input, from) => listFiles(input, from, options)
  const result = await enqueue(database, {
    ...{ name: given.name, userId: 'fleet', ...work, settings, inputs: given.inputs },
    ...{ shardSize: given.shard ?? 10, priority: 0, mayAdd: false },
    ...{ list, signal: stop.signal, onWritten: () => {} },
  })
  tell({ type: 'enqueued', ...result })
}

/** Addresses of nothing, for the benches. */
async function* madeUpKeys(_input, from) {
  for (let next = from?.next ?? 0; next < given.keys; ) {
    const items = Array.from({ length: Math.min(1000, given.keys - next) }, (_, i) => ({
      path: `/bucket/photos/2026/11/26/${String(next + i).padStart(9, '0')}.jpg`,
      below: 8,
    }))
    next += items.length
    yield { items, cursor: { next } }
  }
}

setDatabasePatience(patience({ forMs: given.patienceMs ?? 500, signal: stop.signal }))
const database = connectServer(given.url, { maxConnections: given.connections ?? 10 })
if (given.do === 'enqueue') await enqueueFolder(database)
if (given.do === 'retry') tell(await retryCampaign(database, given.name))
if (given.do === 'cancel') await cancelCampaign(database, given.name)
// The queue alone: shards are fetched and settled, and nothing is done with their pictures.
if (given.do === 'drain') {
  const queue = await openQueue(database)
  const [campaign] = await database.sql`select campaign_id from campaigns where name = ${given.name}`
  const name = queuesOf(campaign.campaign_id).shards
  const work = { campaign: { campaignId: campaign.campaign_id, priority: 0 } }
  let images = 0
  for (;;) {
    const fetched = await queue.fetch(name)
    if (!fetched) break
    const held = holdShard(work, name, fetched, { isSuspect: false })
    held.skipped += held.open.size
    held.open.clear()
    await settleShard(database, queue, held)
    images += held.skipped
  }
  await queue.close()
  tell({ type: 'drained', images, rss: process.memoryUsage().rss })
}
if (given.do === 'work') {
  const queue = await openQueue(database)
  const services = { store: openStore(), database, masks: async () => ({ spec, model: async () => model }) }
  tell({ type: 'ready' })
  const summary = await runWorker(services, queue, {
    ...{ names: given.name && [given.name], concurrency: given.concurrency ?? 3, maxMemory: 2 ** 30 },
    ...{ prefetch: 2 ** 26, drain: given.drain ?? true, graceMs: given.graceMs ?? 20_000 },
    openTelemetry: (sight) =>
      openTelemetry({ source: { system: 'pg-boss', destination: 'test' }, metrics: given.metrics, ...sight }),
    candidateOf: candidatesFrom({ candidateOf: () => {} }),
    ...{ signal: stop.signal, onEvent: tell },
  })
  await queue.close()
  tell({ type: 'ended', completed: summary.completed, rss: process.memoryUsage().rss })
}
await database.close()
process.exit(0)
