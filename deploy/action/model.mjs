// Whether the model has to be fetched, and the key under which it is cached: its name and the digest that it must have.
import { findFetchable } from '../../dist/model/shelf/known.js'
import { setOutputs } from './outputs.mjs'

const found = findFetchable(process.env.RMBG_MODEL)
const digest = found?.model.variants[found.variant].sha256 ?? 'newest'
setOutputs({
  fetch: found !== undefined,
  key: found ? `rmbg-model-${found.name}-${found.variant}-${digest}` : '',
})
