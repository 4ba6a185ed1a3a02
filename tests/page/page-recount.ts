/** Compares what each panel of a dataset shows with a recount of the events. */
import { expect } from 'vitest'
import type { DatasetDefinition, GroupingDefinition, ViewDefinition } from '#core/definition-parts.ts'
import { importDefinition } from '#runtime/drivers/definitions.ts'
import type { PageSite } from './page-site.ts'
import { type Counted, PlainRecount, type Question } from './plain-recount.ts'
import { numberIn, type ShownPanel, shownPanels } from './shown-panels.ts'

/** Quantiles promise a value within 1 %. */
const QUANTILE_ERROR = 0.01
const FLOAT_ERROR = 1e-9
/** What is shown is rounded to three digits, or two after the point. */
const SHOWN_ERROR = 0.005
/** of a grouping by what a dictionary says, which has a recount of its own: groups-by-category.test.ts */
const ELSEWHERE = 'groups_by_category'

interface AnswerText {
  readonly data: readonly Counted[]
  readonly meta: { readonly window: { readonly from: string; readonly to: string } | null }
}

interface Asked extends Question {
  readonly measures: readonly string[]
  /** as a query takes it; null: none */
  readonly order: string | null
  /** of each window, where there are several */
  readonly limit: number
}

interface Recounting {
  readonly site: PageSite
  readonly definition: DatasetDefinition
  readonly recount: PlainRecount
  /** of the events */
  readonly table: string
}

/** All panels are there, and each that shows a view, or a series of one, shows its recount. @returns how many these are */
export async function expectRecounted(site: PageSite, dataset: string): Promise<number> {
  const { definition } = await importDefinition(site.modules.get(dataset)!)
  const recount = await PlainRecount.open()
  try {
    const table = await recount.rows(definition, site.lines[dataset]!)
    const shown = await shownPanels(site.page)
    const described = await fetch(`${site.address}/v1/datasets/${dataset}`)
    const { dashboard } = (await described.json()) as { dashboard: { panels: { title: string }[] } }
    expect(shown.map(({ title }) => title)).toEqual(dashboard.panels.map(({ title }) => title))
    const panels = shown.filter(({ path }) => path.includes('/views/'))
    for (const panel of panels) await expectPanel({ site, definition, recount, table }, panel)
    return panels.length
  } finally {
    recount.close()
  }
}

async function expectPanel(using: Recounting, panel: ShownPanel): Promise<void> {
  const { site, definition } = using
  const { pathname, searchParams } = new URL(panel.path, site.address)
  const name = pathname.split('/').at(-1)!
  const reply = await fetch(`${site.address}${panel.path}`)
  expect(reply.status, panel.title).toBe(200)
  const answer = (await reply.json()) as AnswerText
  const series = definition.series?.[name]
  const asked = askedBy(searchParams, answer, series?.grain ?? null)
  expectShown(panel, answer, asked.measures)
  if (name === ELSEWHERE) return
  const over = series?.over ?? name
  const view = definition.views[over] ?? definition.groupings![over]!
  for (const [period, rows] of periodsOf(answer, asked, view)) {
    const groups = await groupsOf(using, view, period)
    expectRows({ title: panel.title, view, isSeries: series !== undefined }, rows, groups, period)
  }
}

function askedBy(parameters: URLSearchParams, { meta }: AnswerText, seriesGrain: string | null): Asked {
  const list = (name: string): string[] => (parameters.get(name) ?? '').split(',').filter((text) => text !== '')
  const filter = parameters.getAll('filter').map((text): [string, (string | null)[]] => {
    const [, dimension, , value] = /^([^:]+):(eq|in):(.*)$/.exec(text)!
    return [dimension!, value!.startsWith('[') ? (JSON.parse(value!) as (string | null)[]) : [value!]]
  })
  return {
    ...{ dimensions: list('dimensions'), measures: list('measures'), filter: new Map(filter) },
    grain: parameters.get('grain') ?? seriesGrain,
    from: meta.window?.from ?? parameters.get('from'),
    to: meta.window?.to ?? parameters.get('to'),
    order: parameters.get('order'),
    limit: Number(parameters.get('limit') ?? Number.POSITIVE_INFINITY),
  }
}

/** Of a series of windows each by itself. */
function periodsOf(
  { data }: AnswerText,
  asked: Asked,
  view: ViewDefinition | GroupingDefinition,
): (readonly [Asked, readonly Counted[]])[] {
  if (!data.some((row) => 'window_end' in row)) return [[asked, data]]
  const [, count, unit] = /^(\d+)([mhd])$/.exec((view as ViewDefinition).window!.size)!
  const sizeMs = Number(count) * { m: 60_000, h: 3_600_000, d: 86_400_000 }[unit as 'm' | 'h' | 'd']
  return [...Map.groupBy(data, (row) => String(row.window_end))].map(([to, rows]) => [
    { ...asked, from: new Date(Date.parse(to) - sizeMs).toISOString(), to },
    rows,
  ])
}

async function groupsOf(
  { definition, recount, table }: Recounting,
  view: ViewDefinition | GroupingDefinition,
  asked: Asked,
): Promise<readonly Counted[]> {
  if (!('over' in view)) return recount.groups(view, table, definition.time, asked)
  const merged = await recount.merged(definition.views[view.over]!, table, definition.time)
  return recount.groups(view, merged, null, asked)
}

interface Said {
  readonly title: string
  readonly view: ViewDefinition | GroupingDefinition
  readonly isSeries: boolean
}

/** The rows are the first ones of the order, and each has the numbers of its group. */
function expectRows(
  { title, view, isSeries }: Said,
  rows: readonly Counted[],
  groups: readonly Counted[],
  asked: Asked,
) {
  const { dimensions, grain, measures, order, limit } = asked
  const names = [...(grain === null ? [] : ['time']), ...dimensions]
  const keyOf = (row: Counted): string => JSON.stringify(names.map((name) => comparable(row[name])))
  const known = new Map(groups.map((group) => [keyOf(group), group]))
  if (!isSeries) expect(rows.length, title).toBe(Math.min(limit, groups.length))
  for (const row of rows) {
    const group = known.get(keyOf(row))
    expect(group, `${title}: ${keyOf(row)}`).toBeDefined()
    for (const name of measures.filter((one) => one in view.measures)) {
      const error = view.measures[name]!.kind === 'quantile' ? QUANTILE_ERROR : FLOAT_ERROR
      expectNear(row[name], group![name], error, `${title}: ${name} of ${keyOf(row)}`)
    }
  }
  const by = order?.replace(/^-/, '') ?? ''
  if (isSeries || rows.length === 0 || typeof comparable(rows[0]![by]) !== 'number') return
  const values = (some: readonly Counted[]): number[] => some.map((row) => comparable(row[by]) as number)
  const sorted = values(groups).toSorted((a, b) => (order!.startsWith('-') ? b - a : a - b))
  for (const [nth, value] of values(rows).entries()) expectNear(value, sorted[nth], QUANTILE_ERROR, `${title}: order`)
}

/** Times as ms. */
function comparable(value: unknown): unknown {
  const isTime = typeof value === 'string' && /^\d{4}-\d\d-\d\d[T ]\d\d:/.test(value)
  return isTime ? Date.parse(`${value.replace(' ', 'T').replace(/Z$/, '')}Z`) : (value ?? null)
}

function expectNear(shown: unknown, wanted: unknown, error: number, about: string): void {
  const [found, counted] = [comparable(shown), comparable(wanted)]
  if (typeof found !== 'number' || typeof counted !== 'number') expect(found, about).toEqual(counted)
  else
    expect(Math.abs(found - counted), `${about}: ${found} and ${counted}`).toBeLessThanOrEqual(
      error * Math.abs(counted) + FLOAT_ERROR,
    )
}

/** The texts of a panel are the numbers of its answer, in their order. */
function expectShown({ title, numbers, isChart }: ShownPanel, { data }: AnswerText, measures: readonly string[]): void {
  if (isChart) return
  const texts = numbers.map(numberIn).filter((number) => number !== null)
  const values = data.flatMap((row) => measures.map((name) => row[name])).filter((value) => typeof value === 'number')
  expect(texts.length, title).toBe(values.length)
  for (const [nth, value] of values.entries())
    expect(Math.abs(texts[nth]! - value), `${title}: ${texts[nth]} for ${value}`).toBeLessThanOrEqual(
      SHOWN_ERROR * Math.max(1, Math.abs(value)),
    )
}
