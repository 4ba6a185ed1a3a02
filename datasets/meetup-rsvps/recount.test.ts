/** The shipped views over the recorded stream, against plain TypeScript over the same lines. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { compileDataset } from '#core/compile-dataset.ts'
import type { CompiledDataset } from '#core/compiled.ts'
import { createRowsTable, decodeBatch } from '#storage/engine/decode-batch.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import definition from './definition.ts'
import { RsvpGenerator } from './rsvp-generator.ts'

interface Rsvp {
  readonly rsvp_id: number
  readonly mtime: number
  readonly response: string
  readonly guests: number
  readonly member: { readonly member_id: number }
  readonly venue?: { readonly lat: number; readonly lon: number }
  readonly event: { readonly event_id: string; readonly event_name: string; readonly time?: number }
  readonly group: {
    readonly group_id: number
    readonly group_country: string
    readonly group_city: string
    readonly group_lat: number
    readonly group_lon: number
    readonly group_topics: readonly { readonly topic_name: string }[]
  }
}

const recorded = join(import.meta.dirname, '../../../shared/data/meetup-rsvps-2017.ndjson')
const folder = mkdtempSync(join(tmpdir(), 'watershed-rsvps-'))
let engine: DuckDbEngine
let connection: EngineConnection
let dataset: CompiledDataset

beforeAll(async () => {
  engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
  connection = await engine.connect()
  dataset = await compileDataset(definition, connection)
})
afterAll(() => {
  connection.close()
  engine.close()
  rmSync(folder, { recursive: true })
})

let tables = 0
async function decoded(lines: readonly string[]): Promise<{ table: string; dead: number }> {
  const table = `rows_${++tables}`
  await createRowsTable(connection, dataset, table)
  const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''))
  const count = lines.length
  const batch = {
    partition: 0,
    start: 0,
    end: count,
    lines: bytes,
    count,
    offsets: null,
    arrivals: [{ count, atMs: 1 }],
  }
  const { dead } = await decodeBatch(connection, dataset, batch, { table, scratchFolder: folder })
  return { table, dead: dead.length }
}

/** A view's answer over the rows, as the layers give it: partial, merge, present. */
async function answer(name: string, table: string, by: string[]): Promise<Record<string, unknown>[]> {
  const view = dataset.views.get(name)!
  const groups = by.map((column) => ({ name: column, sql: `"${column}"` }))
  const merged = `(${view.mergeSql(`(${view.partialSql(table)})`, groups)})`
  return connection.rows(view.presentSql(merged, by))
}

const attendees = (rsvps: readonly Rsvp[]): number =>
  rsvps.reduce((sum, { response, guests }) => sum + (response === 'yes' ? 1 + guests : 0), 0)
const distinct = (values: readonly unknown[]): number => new Set(values).size
const totals = (rsvps: readonly Rsvp[]) => ({
  responses: rsvps.length,
  yes: rsvps.filter(({ response }) => response === 'yes').length,
  no: rsvps.filter(({ response }) => response === 'no').length,
  guests: rsvps.reduce((sum, { guests }) => sum + guests, 0),
  attendees: attendees(rsvps),
})

describe.skipIf(!existsSync(recorded))('the recorded stream (skipped where ../shared/data is absent)', () => {
  let rsvps: Rsvp[]
  let table: string
  beforeAll(async () => {
    const lines = readFileSync(recorded, 'utf8').trim().split('\n')
    rsvps = lines.map((line) => JSON.parse(line))
    const result = await decoded(lines)
    table = result.table
    expect(result.dead).toBe(0)
  })

  const expectGroups = async (view: string, by: string[], keyOf: (rsvp: Rsvp) => unknown[]): Promise<void> => {
    const want = Map.groupBy(rsvps, (rsvp) => JSON.stringify(keyOf(rsvp)))
    const rows = await answer(view, table, by)
    expect(rows.length).toBe(want.size)
    for (const row of rows) {
      const key = JSON.stringify(by.map((column) => row[column]))
      expect(row, key).toMatchObject(totals(want.get(key)!))
    }
  }

  test('responses by country, also per minute', async () => {
    await expectGroups('responses_by_country', ['country'], ({ group }) => [group.group_country])
    await expectGroups('responses_by_country', ['pane', 'country'], ({ mtime, group }) => [
      mtime - (mtime % 60_000),
      group.group_country,
    ])
  })

  test('responses by city', () =>
    expectGroups('responses_by_city', ['country', 'city'], ({ group }) => [group.group_country, group.group_city]))

  test('the map: the venue counts, else the group; 0/0 is no place; nothing is left out', async () => {
    const rows = await answer('responses_map', table, ['lat', 'lon'])
    const near = (a: number, b: number): boolean => Math.abs(a - b) <= 0.05 + 1e-9
    const place = ({ venue, group }: Rsvp): { lat: number; lon: number } =>
      venue && !(venue.lat === 0 && venue.lon === 0) ? venue : { lat: group.group_lat, lon: group.group_lon }
    expect(rows.reduce((sum, row) => sum + Number(row.responses), 0)).toBe(rsvps.length)
    for (const rsvp of rsvps) {
      const { lat, lon } = place(rsvp)
      expect(rows.some((row) => near(Number(row.lat), lat) && near(Number(row.lon), lon))).toBe(true)
    }
    expect(rows.some((row) => row.lat === 0 && row.lon === 0)).toBe(false)
    expect(rows.some((row) => Object.is(row.lat, -0) || Object.is(row.lon, -0))).toBe(false)
  })

  test('mentions of topics, by country', async () => {
    const want = new Map<string, number>()
    for (const { group } of rsvps) {
      for (const { topic_name } of group.group_topics) {
        const key = JSON.stringify([topic_name, group.group_country])
        want.set(key, (want.get(key) ?? 0) + 1)
      }
    }
    const rows = await answer('trending_topics', table, ['topic', 'country'])
    expect(new Map(rows.map((row) => [JSON.stringify([row.topic, row.country]), row.mentions]))).toEqual(want)
  })

  test('groups and events: exactly distinct members and events, and who they are', async () => {
    await expectGroups('group_summary', ['group_id'], ({ group }) => [group.group_id])
    await expectGroups('event_summary', ['event_id'], ({ event }) => [event.event_id])
    const groups = Map.groupBy(rsvps, ({ group }) => group.group_id)
    for (const row of await answer('group_summary', table, ['group_id'])) {
      const own = groups.get(Number(row.group_id))!
      expect(row.members).toBe(distinct(own.map(({ member }) => member.member_id)))
      expect(row.events).toBe(distinct(own.map(({ event }) => event.event_id)))
      expect(row.country).toBe(own[0]!.group.group_country)
      const last = Math.max(...own.map(({ mtime }) => mtime))
      expect(new Date(row.last_activity as string | Date).getTime()).toBe(last)
    }
    const events = Map.groupBy(rsvps, ({ event }) => event.event_id)
    for (const row of await answer('event_summary', table, ['event_id'])) {
      const own = events.get(String(row.event_id))!
      expect(row.members).toBe(distinct(own.map(({ member }) => member.member_id)))
      const dates = own.flatMap(({ event }) => (event.time === undefined ? [] : [event.time]))
      if (dates.length > 0) expect(dates).toContain(new Date(row.date as string | Date).getTime())
      else expect(row.date).toBeNull()
    }
  })
})

test('places just south or west of zero are in the cell of zero', async () => {
  const at = (lat: number, lon: number): string => {
    const generator = new RsvpGenerator({ seed: 1, startMs: 1_700_000_000_000, malformedShare: 0 })
    return JSON.stringify({ ...JSON.parse(generator.next()), venue: { venue_id: 1, venue_name: 'x', lat, lon } })
  }
  const { table } = await decoded([at(51.5, -0.02), at(51.5, 0.02), at(-0.01, 32.5), at(0.01, 32.5)])
  const rows = await answer('responses_map', table, ['lat', 'lon'])
  expect(rows.map(({ lat, lon, responses }) => [lat, lon, responses]).sort()).toEqual([
    [0, 32.5, 2],
    [51.5, 0, 2],
  ])
})

test('what the generator makes has the columns of the dataset', async () => {
  const generator = new RsvpGenerator({ seed: 2, startMs: 1_700_000_000_000, malformedShare: 0 })
  const { table, dead } = await decoded(Array.from({ length: 2_000 }, () => generator.next()))
  expect(dead).toBe(0)
  const columns = definition.columns
  const counts = Object.keys(columns).map((name) => `count("${name}") AS "${name}"`)
  const [filled] = await connection.rows<Record<string, number>>(`SELECT ${counts.join(', ')} FROM ${table}`)
  for (const [name, count] of Object.entries(filled!)) expect(count, name).toBeGreaterThan(0)
  expect(filled!.venue_id).toBeLessThan(2_000)
})
