/** Every panel's numbers, made of presented rows as Elasticsearch makes them, against plain TypeScript over the events. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { compileDataset } from '#core/compile-dataset.ts'
import type { CompiledDataset } from '#core/compiled.ts'
import definition from '#datasets/meetup-rsvps/definition.ts'
import { RsvpGenerator } from '#datasets/meetup-rsvps/rsvp-generator.ts'
import { createRowsTable, decodeBatch } from '#storage/engine/decode-batch.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import type { Bucket, Metric, Panel } from './panel.ts'
import { panelFaults } from './panel-meaning.ts'
import { shippedKibana } from './shipped-kibana.ts'

interface Rsvp {
  readonly mtime: number
  readonly response: string
  readonly guests: number
  readonly member: { readonly member_id: number }
  readonly event: { readonly event_id: string; readonly event_name: string }
  readonly group: {
    readonly group_id: number
    readonly group_name: string
    readonly group_country: string
    readonly group_city: string
    readonly group_topics: readonly { readonly topic_name: string }[]
  }
}

type Row = Readonly<Record<string, unknown>>

const RSVPS = 600
const START_MS = 1_700_000_000_000
const WINDOW_MS = 300_000
const EVERY_MS = 10_000
const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const shipped = await shippedKibana()
const panelsOf = (name: string) =>
  shipped
    .filter(({ dataset }) => dataset.name === name)
    .flatMap(({ dashboards }) => dashboards.flatMap((dashboard) => dashboard.panels))
    .map((panel) => [panel.id, panel] as const)
const panels = panelsOf(definition.name)

/** Few members, of many groups each; a third of the groups have the same name. */
const rsvps: readonly Rsvp[] = (() => {
  const shares = { malformedShare: 0, lateShare: 0, futureShare: 0 }
  const generator = new RsvpGenerator({ seed: 3, startMs: START_MS, eventsPerSecond: 10, ...shares })
  return Array.from({ length: RSVPS }, (_, index) => {
    const rsvp = JSON.parse(generator.next()) as Rsvp
    const { group } = rsvp
    const name = group.group_id % 3 === 0 ? 'Hikers' : group.group_name
    return { ...rsvp, member: { ...rsvp.member, member_id: index % 40 }, group: { ...group, group_name: name } }
  })
})()

describe('what a panel may aggregate', () => {
  const panel = (view: string, metric: Metric, by: readonly Bucket[] = []): Panel => {
    const place = { id: 'p', title: 'P', width: 1, height: 1 } as const
    return { ...place, shape: 'table', view, by, show: [metric] }
  }
  const top = (field: string): Bucket => ({ kind: 'terms', field, size: 5, label: field })
  const sum = (field: string): Metric => ({ kind: 'sum', field, label: field })
  const max = (field: string): Metric => ({ kind: 'max', field, label: field })

  test.each<[string, Panel, RegExp]>([
    ['distinct counts', panel('group_summary', sum('members')), /a countDistinct, which does not add up/],
    [
      'windows',
      { ...panel('trending_topics', sum('mentions')), where: { field: 'scope', value: 'global' } },
      /overlap/,
    ],
    ['all scopes', panel('trending_topics', max('mentions')), /rows of all scopes are mixed/],
    ['latest values', panel('group_summary', sum('lat')), /a latest, which does not add up/],
    ['the largest of several groups', panel('group_summary', max('members'), [top('name')]), /not that of the group/],
    ['panes as rows', panel('responses_by_city', { kind: 'count', label: 'Cities' }), /panes or ranks/],
    ['the first of sums', panel('responses_by_city', { kind: 'first', field: 'guests', label: 'F' }), /have no first/],
    ['what is not there', panel('group_summary', sum('people')), /not a measure/],
  ])('not %s', (_, given, fault) => {
    expect(panelFaults(given, definition)).toEqual([expect.stringMatching(fault)])
  })

  test('the largest value of one row, and sums of counts', () => {
    expect(panelFaults(panel('group_summary', max('members'), [top('name'), top('group_id')]), definition)).toEqual([])
    expect(panelFaults(panel('responses_by_city', sum('attendees'), [top('city')]), definition)).toEqual([])
  })

  test.each(shipped.map((one) => [one.definition.name, one.definition] as const))(
    'no panel of %s adds what does not add up',
    (name, checked) => {
      expect(panelsOf(name).length).toBeGreaterThan(0)
      for (const [, given] of panelsOf(name)) expect(panelFaults(given, checked)).toEqual([])
    },
  )
})

describe('the recount', () => {
  const folder = mkdtempSync(join(tmpdir(), 'watershed-panels-'))
  let engine: DuckDbEngine
  let connection: EngineConnection
  const presented = new Map<string, readonly Row[]>()

  beforeAll(async () => {
    engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
    connection = await engine.connect()
    const dataset = await compileDataset(definition, connection)
    await decode(dataset)
    for (const name of new Set(panels.map(([, { view }]) => view))) presented.set(name, await rowsOf(dataset, name))
  })
  afterAll(() => {
    connection.close()
    engine.close()
    rmSync(folder, { recursive: true })
  })

  test('adding the members of groups would count some of them several times', () => {
    const groups = presented.get('group_summary')!
    const added = groups.reduce((sum, { members }) => sum + Number(members), 0)
    expect(added).toBeGreaterThan(distinct(rsvps.map(({ member }) => member.member_id)))
  })

  test.each(panels)('%s shows the numbers of the events', (_, panel) => {
    const shown = shownBy(panel, presented.get(panel.view)!)
    expect(shown.size).toBeGreaterThan(0)
    expect(shown).toEqual(countedFor(panel))
  })

  async function decode(dataset: CompiledDataset): Promise<void> {
    await createRowsTable(connection, dataset, 'events')
    const lines = Buffer.from(rsvps.map((rsvp) => `${JSON.stringify(rsvp)}\n`).join(''))
    const arrivals = [{ count: RSVPS, atMs: START_MS }]
    const batch = { partition: 0, start: 0, end: RSVPS, lines, count: RSVPS, offsets: null, arrivals }
    const target = { table: 'events', scratchFolder: folder }
    expect((await decodeBatch(connection, dataset, batch, target)).dead).toEqual([])
  }

  /** The rows of the presented index, windows without the cut of their ranks. */
  async function rowsOf(dataset: CompiledDataset, name: string): Promise<Row[]> {
    const view = dataset.views.get(name)!
    const states = `(${view.partialSql('events')})`
    if (view.time.kind === 'all-time' || view.time.window === undefined) {
      const keys = view.dimensions.map(({ name: key }) => key)
      const by = view.time.kind === 'all-time' ? keys : ['pane', ...keys]
      const rows = await connection.rows(view.presentSql(`(${view.mergeSql(states)})`, by))
      return rows.map((row) => ({ ...row, time: Number(row.pane), country_name: row.country }))
    }
    const rows: Row[] = []
    for (const end of windowEnds()) {
      const within = `(SELECT * FROM ${states} WHERE pane >= ${end - WINDOW_MS} AND pane < ${end})`
      for (const keys of [['topic'], ['topic', 'country']]) {
        const merged = view.mergeSql(
          within,
          keys.map((key) => ({ name: key, sql: `"${key}"` })),
        )
        const scope = keys.length === 1 ? 'global' : 'country'
        for (const row of await connection.rows(view.presentSql(`(${merged})`, keys)))
          rows.push({ ...row, scope, window_end: end, country_name: row.country })
      }
    }
    return rows
  }
})

function windowEnds(): number[] {
  const first = Math.floor(START_MS / EVERY_MS) * EVERY_MS + EVERY_MS
  const last = rsvps.at(-1)!.mtime + WINDOW_MS
  return Array.from({ length: Math.ceil((last - first) / EVERY_MS) + 1 }, (_, index) => first + index * EVERY_MS)
}

const distinct = (values: readonly unknown[]): number => new Set(values).size
const total = <T>(items: readonly T[], of: (item: T) => number): number =>
  items.reduce((sum, item) => sum + of(item), 0)

/** The panel's search over the rows: no group is cut off, and a map is looked at from so far that all of it is one tile. */
function shownBy(panel: Panel, rows: readonly Row[]): Map<string, number[]> {
  const { where } = panel
  const found = rows.filter((row) => where === undefined || row[where.field] === where.value)
  return grouped(
    bucketsOf(panel),
    found,
    (row, field) => row[field],
    (group) =>
      panel.show.map(({ kind, field }) => {
        if (kind === 'count') return group.length
        const values = group.map((row) => row[field!])
        if (kind === 'distinct') return distinct(values)
        const numbers = values.map(Number)
        return kind === 'max' ? Math.max(...numbers) : total(numbers, (value) => value)
      }),
  )
}

/** What the panel's labels claim, of the events themselves. */
function countedFor(panel: Panel): Map<string, number[]> {
  if (panel.view === 'trending_topics') return mentionsFor(panel)
  const fieldsOf = summaries[panel.view] ?? fieldsOfPanes
  return grouped(
    bucketsOf(panel),
    rsvps,
    (rsvp, field) => fieldsOf(rsvp)[field],
    (group) => panel.show.map((metric) => factOf(panel, metric)(group)),
  )
}

function bucketsOf(panel: Panel): readonly Bucket[] {
  return panel.shape === 'map' ? [] : panel.by
}

function grouped<T>(
  buckets: readonly Bucket[],
  items: readonly T[],
  fieldOf: (item: T, field: string) => unknown,
  measure: (group: readonly T[]) => number[],
): Map<string, number[]> {
  const placed = Map.groupBy(items, (item) => JSON.stringify(buckets.map((bucket) => placeIn(bucket, item, fieldOf))))
  const kept = [...placed].filter(([place]) => !(JSON.parse(place) as unknown[]).includes(null))
  return new Map(kept.map(([place, group]) => [place, measure(group)]))
}

function placeIn<T>(bucket: Bucket, item: T, fieldOf: (item: T, field: string) => unknown): unknown {
  const value = fieldOf(item, bucket.field)
  if (bucket.kind === 'time') {
    const lengthMs = bucket.interval === '1h' ? HOUR_MS : MINUTE_MS
    return Math.floor(new Date(value as number | string).getTime() / lengthMs)
  }
  if (bucket.kind === 'values') return bucket.values.includes(String(value)) ? value : null
  return typeof value === 'bigint' ? Number(value) : (value ?? null)
}

type Fact = (group: readonly Rsvp[]) => number

const FACTS: Readonly<Record<string, Fact>> = {
  responses: (group) => group.length,
  yes: (group) => group.filter(({ response }) => response === 'yes').length,
  no: (group) => group.filter(({ response }) => response === 'no').length,
  guests: (group) => total(group, ({ guests }) => guests),
  attendees: (group) => total(group, ({ response, guests }) => (response === 'yes' ? 1 + guests : 0)),
  members: (group) => distinct(group.map(({ member }) => member.member_id)),
  events: (group) => distinct(group.map(({ event }) => event.event_id)),
  groups: (group) => distinct(group.map(({ group: { group_id } }) => group_id)),
}

function factOf({ view }: Panel, { kind, field }: Metric): Fact {
  if (kind === 'count') return FACTS[view === 'group_summary' ? 'groups' : 'events']!
  return FACTS[field!]!
}

function fieldsOfPanes({ mtime, group }: Rsvp): Row {
  const { group_country: country, group_city: city } = group
  return { time: mtime, country, country_name: country, city }
}

/** Fields of a summary's row, for each of the events that it is made of: those of the newest one. */
const summaries: Readonly<Record<string, (rsvp: Rsvp) => Row>> = {
  group_summary: (rsvp) => {
    const { group, mtime } = newestOf(rsvp, ({ group: { group_id } }) => group_id)
    return { ...fieldsOfPanes(rsvp), group_id: group.group_id, name: group.group_name, last_activity: mtime }
  },
  event_summary: (rsvp) => {
    const { event, mtime } = newestOf(rsvp, ({ event: { event_id } }) => event_id)
    return { ...fieldsOfPanes(rsvp), event_id: event.event_id, name: event.event_name, last_activity: mtime }
  },
}

function newestOf(rsvp: Rsvp, keyOf: (rsvp: Rsvp) => unknown): Rsvp {
  const own = rsvps.filter((other) => keyOf(other) === keyOf(rsvp))
  return own.reduce((newest, each) => (each.mtime >= newest.mtime ? each : newest))
}

/** Windows of five minutes that end every ten seconds: a topic's number is that of its strongest one. */
function mentionsFor(panel: Panel): Map<string, number[]> {
  const mentions = rsvps.flatMap(({ mtime, group }) =>
    group.group_topics.map(({ topic_name: topic }) => ({ mtime, topic, country: group.group_country })),
  )
  const inWindows = windowEnds().flatMap((end) =>
    mentions
      .filter(({ mtime }) => mtime >= end - WINDOW_MS && mtime < end)
      .map((mention) => ({ ...mention, country_name: mention.country, window_end: end })),
  )
  const byCountry = panel.where?.value === 'country'
  const fieldOf = (mention: (typeof inWindows)[number], field: string): unknown => (mention as unknown as Row)[field]
  return grouped(bucketsOf(panel), inWindows, fieldOf, (group) =>
    panel.show.map(({ kind }) => {
      if (kind === 'distinct') return distinct(group.map(({ topic }) => topic))
      const rows = Map.groupBy(group, ({ window_end, topic, country }) =>
        JSON.stringify([window_end, topic, byCountry ? country : null]),
      )
      return Math.max(...[...rows.values()].map((row) => row.length))
    }),
  )
}
