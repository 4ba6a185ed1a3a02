/** Chooses event time, key and views for surveyed columns. */
import { DEFINITION_LIMITS } from '#core/definition-limits.ts'
import type { Grain } from '#core/grains.ts'
import { decimalOf } from '#core/stored-value.ts'
import { columnTimeMs } from '#core/usable-value.ts'
import type { ColumnDraft } from './column-draft.ts'

export interface MeasureDraft {
  readonly name: string
  /** as in a definition, such as `sum('price')` */
  readonly text: string
}

export interface ViewDraft {
  readonly name: string
  readonly comment: string
  /** list column, whose elements are a dimension of the same name */
  readonly unnest?: string
  readonly dimensions: readonly string[]
  /** grains, or a window with a ranking */
  readonly time: { readonly grains: readonly Grain[] } | { readonly size: string; readonly every: string }
  readonly measures: readonly MeasureDraft[]
}

export interface DatasetDraft {
  readonly name: string
  readonly time: ColumnDraft
  readonly key: ColumnDraft
  readonly views: readonly ViewDraft[]
  readonly doubts: readonly string[]
}

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const KEY_TYPES = ['BIGINT', 'VARCHAR', 'BOOLEAN', 'DATE']
const ID_NAME = /(^|_)(id|uuid|guid|key|no|nr|number|code)$/
const NOT_ADDED = /(^|_)(id|lat|lon|lng|latitude|longitude|year|month|zip|code|port|version|number|no|nr)$/
/** who is counted first */
const PERSON_NAME = /user|member|person|customer|client|visitor|author|account|session|device/
const NUMBERS_MAX = 3
const GROUPS_MAX = 200
const FEW_GROUPS = 100

/** @throws Error if no column can be the event time */
export function draftDataset(name: string, columns: readonly ColumnDraft[], events: number): DatasetDraft {
  const doubts: string[] = []
  const time = eventTimeOf(columns, doubts)
  const key = keyOf(columns, time, events)
  if (key.holdsNumbers || key.as !== undefined)
    doubts.push(`${key.name} holds numbers, and is the key only because no other column can be`)
  const groups = groupsOf(columns, time, key, events)
  const measures = measuresOf(columns, time, key, events)
  const list = columns
    .filter(({ type, distinct, survey }) => type === 'VARCHAR[]' && distinct >= 2 && distinct < survey.values / 2)
    .toSorted((a, b) => b.survey.values / b.distinct - a.survey.values / a.distinct)[0]
  const views = [overTime(groups, measures, time), ranked(groups, list, measures, time)].filter((view) => view !== null)
  if (groups.length === 0 && list === undefined)
    doubts.push('no column has few values that repeat, so nothing is grouped by; add dimensions to the view')
  return { name, time, key, views, doubts }
}

function eventTimeOf(columns: readonly ColumnDraft[], doubts: string[]): ColumnDraft {
  const times = columns.filter(({ type }) => type === 'TIMESTAMP')
  const score = ({ name, isAlways, survey }: ColumnDraft): number =>
    (isAlways ? 8 : 0) +
    (/^(time|timestamp|ts|at|t|date|datetime|event_time|created_at|occurred_at|created|mtime)$/.test(name) ? 4 : 0) +
    (/updated|modified|expires|deleted|due|birth/.test(name) ? -4 : 0) -
    survey.path.length
  const [first, second] = times.toSorted((a, b) => score(b) - score(a))
  if (first === undefined) {
    const near = columns
      .filter(({ survey }) => (survey.texts.get('time-like') ?? 0) > 0)
      .map(({ path, survey }) => `${path} (${survey.example})`)
    const seen =
      near.length === 0
        ? [...new Set(columns.map(({ path }) => path))].join(', ')
        : `these look like times of another form: ${near.join(', ')}`
    throw new Error(
      `no column is an event time (ISO 8601 text or another known format, or s, ms or us since 1970 under a name such as time, ts or created_at); ${seen}`,
    )
  }
  if (second !== undefined) doubts.push(`${first.name} is the event time; ${second.name} could be it as well`)
  if (!first.isAlways) doubts.push(`events without ${first.path} become dead letters, because it is the event time`)
  return first
}

/** What identifies the thing that events are about: its events stay in one partition. */
function keyOf(columns: readonly ColumnDraft[], time: ColumnDraft, events: number): ColumnDraft {
  const score = ({ name, type, isAlways, distinct, survey, holdsNumbers, as }: ColumnDraft): number =>
    (isAlways ? 8 : 0) +
    (name === 'id' ? 6 : 0) +
    (holdsNumbers ? -100 : 0) +
    (as === undefined ? 0 : -50) +
    // A number without the name of an identifier rather counts or measures something.
    (ID_NAME.test(name) ? 4 : type === 'BIGINT' ? -4 : 0) +
    (3 * distinct) / events -
    survey.path.length
  const fit = columns.filter((column) => KEY_TYPES.includes(column.type) && column !== time)
  const [best] = fit.toSorted((a, b) => score(b) - score(a))
  if (best === undefined)
    throw new Error('no column can be the key: it must be a text, a whole number, a truth value or a date')
  return best
}

function groupsOf(columns: readonly ColumnDraft[], time: ColumnDraft, key: ColumnDraft, events: number): ColumnDraft[] {
  const most = Math.min(GROUPS_MAX, Math.max(2, events / 2))
  const fit = columns.filter(
    ({ type, distinct, survey, holdsNumbers }) =>
      (type === 'BOOLEAN' || (type === 'VARCHAR' && !holdsNumbers)) &&
      distinct >= 2 &&
      distinct <= most &&
      survey.present >= events * 0.3,
  )
  const score = ({ type, distinct, survey, name }: ColumnDraft): number =>
    survey.present / events +
    (type === 'VARCHAR' ? 1 : 0) +
    (distinct <= FEW_GROUPS ? 1 : 0) -
    survey.path.length * 0.2 -
    (ID_NAME.test(name) ? 0.5 : 0)
  const groups = fit.filter((column) => column !== time && column !== key).toSorted((a, b) => score(b) - score(a))
  if (groups.length > 0 || !fit.includes(key)) return groups
  return [key]
}

function measuresOf(
  columns: readonly ColumnDraft[],
  time: ColumnDraft,
  key: ColumnDraft,
  events: number,
): MeasureDraft[] {
  const numbers = columns
    .filter((column) => column !== time && column !== key && /^(BIGINT|DOUBLE|DECIMAL)/.test(column.type))
    .filter(({ name, type }) => !type.endsWith('[]') && !NOT_ADDED.test(name))
    .filter(({ type }) => (decimalOf(type)?.digits ?? 0) <= DEFINITION_LIMITS.sumDigitsMax)
    .toSorted((a, b) => b.survey.present - a.survey.present)
    .slice(0, NUMBERS_MAX)
  const added = numbers.flatMap(({ name, type }): MeasureDraft[] =>
    type === 'DOUBLE'
      ? [
          { name: `avg_${name}`, text: `avg('${name}')` },
          { name: `p95_${name}`, text: `quantile('${name}', 0.95)` },
        ]
      : [
          { name: `total_${name}`, text: `sum('${name}')` },
          { name: `avg_${name}`, text: `avg('${name}')` },
        ],
  )
  const [who] = columns
    .filter(({ name, type, distinct, isManyMore, survey }) => {
      const repeats = distinct < survey.present || isManyMore
      return ID_NAME.test(name) && KEY_TYPES.includes(type) && repeats && survey.present >= events / 2
    })
    .toSorted((a, b) => Number(PERSON_NAME.test(b.name)) - Number(PERSON_NAME.test(a.name)))
  const people = who === undefined ? [] : [{ name: `distinct_${who.name}`, text: `countDistinct('${who.name}')` }]
  return [{ name: 'events', text: 'count()' }, ...people, ...added]
}

function overTime(groups: readonly ColumnDraft[], measures: readonly MeasureDraft[], time: ColumnDraft): ViewDraft {
  const dimensions = groups.slice(0, 2).map(({ name }) => name)
  const span = spanMs(time)
  const grains: Grain[] =
    span > 90 * DAY_MS
      ? ['day', 'week', 'month', 'year']
      : span > 3 * DAY_MS
        ? ['hour', 'day', 'month']
        : ['minute', 'hour', 'day']
  return {
    name: dimensions.length === 0 ? 'over_time' : `by_${dimensions[0]}`,
    comment: 'Everything over time; ask for a part of the dimensions, or none, and any of the grains.',
    dimensions,
    time: { grains },
    measures,
  }
}

function ranked(
  groups: readonly ColumnDraft[],
  list: ColumnDraft | undefined,
  measures: readonly MeasureDraft[],
  time: ColumnDraft,
): ViewDraft | null {
  const dimension = list ?? groups.toSorted((a, b) => b.distinct - a.distinct)[0]
  if (dimension === undefined) return null
  const isSlow = spanMs(time) > 3 * DAY_MS
  return {
    name: `top_${dimension.name}`,
    comment: `The ten most frequent in the last ${isSlow ? 'day' : 'ten minutes'}; ?at=latest asks for the end of the data.`,
    ...(list === undefined ? {} : { unnest: list.name }),
    dimensions: [dimension.name],
    time: isSlow ? { size: '1d', every: '1h' } : { size: '10m', every: '1m' },
    measures: measures.slice(0, 2),
  }
}

function spanMs({ survey, unit, surveyedUnit = unit, format }: ColumnDraft): number {
  const scale = { s: 1_000, ms: 1, us: 0.001, iso: 1 }[surveyedUnit ?? 'iso']
  if (format === undefined && Number.isFinite(survey.lowest)) return (survey.highest - survey.lowest) * scale
  const times = [...survey.distinct]
    .map((text) => columnTimeMs(JSON.parse(text), { unit, format }))
    .filter((time) => time !== null)
  return times.length === 0 ? 0 : times.reduce((a, b) => Math.max(a, b)) - times.reduce((a, b) => Math.min(a, b))
}
