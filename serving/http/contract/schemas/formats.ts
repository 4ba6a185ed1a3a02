/** What the responses of routes that answer in several formats contain. */
import { z } from 'zod'
import { FORMATS } from '#serving/formats/all-formats.ts'

const CONTENTS: Readonly<Record<string, z.ZodType>> = {
  ndjson: z.string().describe('A row per line, as in `data`'),
  csv: z.string().describe('A header line, and a line per row'),
  arrow: z
    .string()
    .meta({ contentEncoding: 'binary' })
    .describe('Arrow IPC stream; `watershed` in the metadata of the schema is `meta`'),
  parquet: z.string().meta({ contentEncoding: 'binary' }).describe('`watershed` in the metadata of the file is `meta`'),
  xlsx: z
    .string()
    .meta({ contentEncoding: 'binary' })
    .describe('Workbook: sheet `rows`, and sheet `provenance` with the members of `meta`'),
}

/** Content types of the formats other than JSON → their schemas. */
export const OTHER_FORMATS: Readonly<Record<string, { readonly schema: z.ZodType }>> = Object.fromEntries(
  FORMATS.filter(({ name }) => name !== 'json').map(({ name, contentType }) => [
    contentType.split(';')[0]!,
    { schema: CONTENTS[name]! },
  ]),
)
