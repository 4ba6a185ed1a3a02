/** Definitions: what can be queried, and how exact each measure is. */
import { z } from 'zod'
import { NUMBER_FORMATS } from '#core/definition-parts.ts'
import { PANEL_KINDS } from '#core/panel-definition.ts'
import { name } from './scalars.ts'

const exactness = z
  .looseObject({ kind: z.enum(['exact', 'float', 'sketch', 'bounded']) })
  .describe('How far a value may deviate from the exact one, with its bound')

const unit = z.string().optional().describe('What its numbers are of, for people')
const values = z.record(z.string(), z.string()).optional().describe('Names of its values, for people')

const view = z.strictObject({
  name,
  label: name.optional(),
  description: name.optional(),
  definition: z.string().describe('Hash of the definition'),
  paneMs: z.number().nullable(),
  grains: z.array(z.string()),
  window: z.strictObject({ sizeMs: z.number(), everyMs: z.number() }).nullable(),
  rank: z
    .strictObject({ by: name, limit: z.number(), dimensions: z.array(name), having: z.string().optional() })
    .nullable(),
  dimensions: z.array(z.strictObject({ name, type: z.string(), values })),
  measures: z.array(
    z.strictObject({
      name,
      kind: z.string(),
      type: z.string(),
      label: name.optional(),
      description: name.optional(),
      unit,
      format: z.enum(NUMBER_FORMATS).optional().describe('How people are shown the number'),
      exactness,
      bounds: z.array(z.number()).optional().describe('Of a histogram: where its bins end'),
    }),
  ),
  enrich: z.array(z.strictObject({ name, dictionary: name, key: name, attribute: name })),
})

const grouping = view.extend({
  over: name.describe('View whose merged rows are grouped'),
  by: z.array(name).describe('Dimensions of those rows'),
})

const series = z.strictObject({
  name,
  label: name.optional(),
  over: name.describe('View whose merged rows it is calculated from'),
  by: z.array(name).describe('Dimensions of its rows if a query names none'),
  grain: z.string().describe('Grain of its rows if a query names none'),
  grains: z.array(z.string()),
  fill: z
    .record(z.string(), z.union([z.literal(0), z.literal('previous'), z.null()]))
    .nullable()
    .describe('Per measure: its value in a row that fills a gap; null: gaps are not filled'),
  columns: z.array(
    z.strictObject({
      name,
      kind: z.string(),
      expression: z.string(),
      rows: z.number().nullable().describe('Rows that it looks back over, or by'),
      recurrence: z
        .strictObject({
          everyMs: z.number().describe('From one of the earlier times to the next, by the wall clock'),
          times: z.number().describe('How many earlier times'),
          absent: z.number().nullable().describe('What a time without a value counts as; null: it is left out'),
        })
        .nullable()
        .describe('The earlier times whose mean it is; null: it looks at rows'),
      type: z.string(),
      label: name.optional(),
      measures: z.array(name).describe('Measures of the view that it is calculated from'),
    }),
  ),
})

const panel = z.strictObject({
  id: z.string(),
  section: z.string().describe('Heading that it is under'),
  title: z.string(),
  kind: z.enum(PANEL_KINDS),
  view: name.nullable().describe('View or series; null: raw events'),
  measures: z.array(name),
  dimensions: z.array(name).describe('What rows are grouped by; of raw events the columns that are shown'),
  order: z.string().nullable(),
  limit: z.number().nullable(),
  filter: z.record(z.string(), z.array(z.string())),
  width: z.number().describe('Of 12 columns'),
})

export const DATASET = z.strictObject({
  name,
  label: name.optional(),
  description: name.optional(),
  time: name.describe('Column that holds the event time'),
  key: name.describe('Column whose value determines the partition'),
  columns: z.array(
    z.strictObject({
      name,
      label: name.optional(),
      description: name.optional(),
      unit,
      values,
      type: z.string(),
      path: z.string().nullable().describe('null of a derived column'),
      as: z.string().nullable().describe('Expression of a derived column; null of one that is read from the event'),
      required: z.boolean(),
      onError: z.enum(['null', 'reject']),
    }),
  ),
  views: z.array(view),
  series: z.array(series).describe('Calculations over the merged rows of views; queried like views'),
  groupings: z.array(grouping).describe('The merged rows of views, grouped again; queried like views'),
  dashboard: z
    .strictObject({ derived: z.boolean(), panels: z.array(panel) })
    .describe('How the dataset is shown to people; derived from the views if the definition names no panels'),
})

export const DATASETS = z.strictObject({ datasets: z.array(DATASET) })
