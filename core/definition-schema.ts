/** The schema of a definition file: it lists every member, so that a misspelt one is refused with its place. */
import { z } from 'zod'
import { NUMBER_FORMATS } from './definition-parts.ts'
import { PANEL_MEMBERS, panelSchema } from './panels/panel-shape.ts'
import { sinkSchema } from './sink-shape.ts'
import { sourceSchema } from './source-shape.ts'

const label = z.string().optional()
const description = z.string().optional()
const text = z.string()

const column = z.strictObject({
  type: text,
  path: text.optional(),
  as: text.optional(),
  required: z.boolean().optional(),
  default: z.union([text, z.number(), z.boolean(), z.array(z.union([text, z.number(), z.boolean()]))]).optional(),
  unit: text.optional(),
  format: z.union([text, z.array(text)]).optional(),
  zone: text.optional(),
  onError: text.optional(),
  label,
  description,
  values: z.record(text, text).optional(),
})

const options = { where: text.optional(), label, description, unit: text.optional() }
const format = z.enum(NUMBER_FORMATS).optional()
const measureOf = <Kind extends string>(kind: Kind) => ({ kind: z.literal(kind), expression: text, ...options })
const measure = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('count'), ...options }),
  z.strictObject(measureOf('sum')),
  z.strictObject(measureOf('min')),
  z.strictObject(measureOf('max')),
  z.strictObject({ ...measureOf('avg'), format }),
  z.strictObject({ ...measureOf('ratio'), denominator: text, format }),
  z.strictObject(measureOf('first')),
  z.strictObject(measureOf('latest')),
  z.strictObject({ ...measureOf('countDistinct'), exact: z.boolean().optional() }),
  z.strictObject({ ...measureOf('quantile'), q: z.number() }),
  z.strictObject(measureOf('varSamp')),
  z.strictObject(measureOf('varPop')),
  z.strictObject(measureOf('stddevSamp')),
  z.strictObject(measureOf('stddevPop')),
  z.strictObject({ ...measureOf('covarSamp'), second: text }),
  z.strictObject({ ...measureOf('covarPop'), second: text }),
  z.strictObject({ ...measureOf('corr'), second: text }),
  z.strictObject({ ...measureOf('regrSlope'), second: text }),
  z.strictObject({ ...measureOf('maxBy'), second: text }),
  z.strictObject({ ...measureOf('minBy'), second: text }),
  z.strictObject({ ...measureOf('histogram'), bounds: z.array(z.number()) }),
  z.strictObject(measureOf('boolAnd')),
  z.strictObject(measureOf('boolOr')),
])

const lookup = z.strictObject({ dictionary: text, key: text, attribute: text })

const view = z.strictObject({
  label,
  description,
  unnest: z.record(text, text).optional(),
  dimensions: z.record(text, text),
  where: text.optional(),
  time: z.array(text).optional(),
  window: z.strictObject({ size: text, every: text }).optional(),
  measures: z.record(text, measure),
  rank: z
    .strictObject({ by: text, limit: z.number(), dimensions: z.array(text).optional(), having: text.optional() })
    .optional(),
  enrich: z.record(text, lookup).optional(),
})

const grouping = z.strictObject({
  label,
  description,
  over: text,
  by: z.array(text).optional(),
  unnest: view.shape.unnest,
  dimensions: view.shape.dimensions,
  where: view.shape.where,
  measures: view.shape.measures,
  rank: view.shape.rank,
})

const fill = z.union([z.literal(0), z.null(), text])
const counted = <Kind extends string>(kind: Kind) =>
  z.strictObject({ kind: z.literal(kind), expression: text, rows: z.number(), label })
const uncounted = <Kind extends string>(kind: Kind) =>
  z.strictObject({ kind: z.literal(kind), expression: text, label })
export const seriesColumnSchema = z.discriminatedUnion('kind', [
  uncounted('expression'),
  counted('lag'),
  counted('difference'),
  counted('returns'),
  counted('movingAverage'),
  counted('movingSum'),
  counted('movingMin'),
  counted('movingMax'),
  counted('movingStddev'),
  counted('movingStddevPop'),
  counted('rowsSinceMax'),
  counted('rowsSinceMin'),
  counted('ema'),
  counted('wilderAverage'),
  counted('rsi'),
  uncounted('cumulativeSum'),
  uncounted('share'),
  uncounted('rank'),
  z.strictObject({
    kind: z.literal('usual'),
    expression: text,
    every: text,
    times: z.number(),
    absent: z.union([z.literal(0), z.null()]).optional(),
    label,
  }),
])

const series = z.strictObject({
  label,
  over: text,
  by: z.array(text).optional(),
  grain: text,
  fill: z.union([fill, z.record(text, fill)]).optional(),
  columns: z.record(text, z.union([text, seriesColumnSchema])),
})

export const datasetSchema = z.strictObject({
  name: text,
  label,
  description,
  time: text,
  key: text,
  lateAfter: text.optional(),
  accept: z.strictObject({ from: text.optional(), until: text.optional() }).optional(),
  raw: text.optional(),
  keep: z.strictObject({ raw: text.optional(), panes: z.record(z.string(), text).optional() }).optional(),
  tables: text.optional(),
  columns: z.record(text, column),
  views: z.record(text, view),
  sources: z.array(sourceSchema).optional(),
  sinks: z.array(sinkSchema).optional(),
  series: z.record(text, series).optional(),
  groupings: z.record(text, grouping).optional(),
  dashboard: z.array(panelSchema).optional(),
})

/** Member names of each part of a definition; for a measure, the names of its options. */
export const DEFINITION_MEMBERS = {
  dataset: Object.keys(datasetSchema.shape),
  accept: Object.keys(datasetSchema.shape.accept.unwrap().shape),
  keep: Object.keys(datasetSchema.shape.keep.unwrap().shape),
  column: Object.keys(column.shape),
  view: Object.keys(view.shape),
  window: Object.keys(view.shape.window.unwrap().shape),
  rank: Object.keys(view.shape.rank.unwrap().shape),
  lookup: Object.keys(lookup.shape),
  series: Object.keys(series.shape),
  grouping: Object.keys(grouping.shape),
  panel: PANEL_MEMBERS,
  calculations: Object.fromEntries(
    seriesColumnSchema.options.map(({ shape }) => [
      shape.kind.value,
      Object.keys(shape).filter((name) => !['kind', 'expression'].includes(name)),
    ]),
  ),
  measures: Object.fromEntries(
    measure.options.map(({ shape }) => [
      shape.kind.value,
      Object.keys(shape).filter(
        (name) => !['kind', 'expression', 'denominator', 'q', 'second', 'bounds'].includes(name),
      ),
    ]),
  ),
}

/** Names of the members that each of these parts must have. */
export const REQUIRED_MEMBERS: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  Object.entries({
    dataset: datasetSchema,
    column,
    view,
    window: view.shape.window.unwrap(),
    rank: view.shape.rank.unwrap(),
    lookup,
    series,
    grouping,
    panel: panelSchema,
  }).map(([part, { shape }]) => [
    part,
    Object.entries<z.ZodType>(shape).flatMap(([name, member]) => (member.safeParse(undefined).success ? [] : [name])),
  ]),
)
