import { z } from 'zod'
import { processEvent, schemaVersion } from '../../src/process/events.ts'

/** JSON Schema (draft 2020-12) of the lines of `rmbg process --json`; a later release may add fields to any of them. */
export function eventSchema(): object {
  const schema = z.toJSONSchema(processEvent, {
    override: ({ jsonSchema }) => {
      if (jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties
    },
  })
  return {
    $schema: schema.$schema,
    $id: `urn:rmbg-batch:events:${schemaVersion}`,
    title: `Events of rmbg process, version ${schemaVersion}`,
    description:
      'One line of "rmbg process --json". Lines of a log file (--log-file) have the same fields and a "time" (ISO 8601, UTC).',
    ...schema,
  }
}
