/** What gives an error instead of a wrong answer, and what the error says. */
import { readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { compileDataset } from '#core/compile-dataset.ts'
import { parseQuery, type QueryTexts } from '#serving/http/queries/parse-query.ts'
import { answerQuery } from './merged-view.ts'
import {
  ask,
  close,
  connection,
  definition,
  EVENTS,
  lake,
  open,
  publish,
  serve,
  served,
  useTalks,
} from './talks-fixture.ts'

useTalks()

test('a pane that a time zone cuts is refused with its time, and others are answered', async () => {
  const at = (hour: number, minute: number) => Date.UTC(2006, 9, 29, hour, minute)
  const times = [at(2, 31), at(3, 29), Date.UTC(1883, 0, 1)]
  await open(
    times.map((time, id) => ({ ...EVENTS[0]!, id, at: time })),
    0,
  )
  const days = (timezone: string, from: number) =>
    ask('by_topic', { dimensions: '', grain: 'day', timezone, measures: 'n', from: String(from) })
  expect((await days('America/St_Johns', at(2, 31))).rows).toEqual([{ time: '2006-10-28T02:30:00.000Z', n: 2 }])
  await expect(days('Europe/Berlin', times[2]!)).rejects.toThrow(
    "timezone: the offset of Europe/Berlin at 1883-01-01T00:00:00.000Z is not a multiple of the view's pane of 1 minutes, so its events cannot be assigned to one day; leave this time out with 'from' and 'to', query in UTC, or give the view a finer grain in its 'time'",
  )
  expect((await days('Europe/Berlin', at(2, 31))).rows).toEqual([{ time: '2006-10-28T22:00:00.000Z', n: 2 }])
})

test.each([
  ['by_topic', { measures: 'm' }, /measures: 'm' is unknown/],
  ['by_topic', { mesures: 'n' }, /did you mean 'measures'/],
  ['by_topic', { dimensions: 'topik' }, /did you mean 'topic'/],
  ['by_topic', { filter: 'topic' }, /dimension:operator:value/],
  ['by_topic', { grain: '10s' }, /grain/],
  ['by_topic', { from: '2026-01-31T23:00:01Z' }, /must be a multiple/],
  ['by_topic', { at: 'now' }, /no window/],
  ['by_topic', { limit: '0' }, /limit/],
  ['by_topic', { grain: 'day', timezone: 'Mars/North' }, /IANA/],
  ['by_topick', {}, /did you mean 'by_topic'/],
])('%s %j is refused by name', async (view, texts, message) => {
  await expect(ask(view, texts as QueryTexts)).rejects.toThrow(message)
})

test('a file that was edited in place gives an error that names it, not another answer', async () => {
  await close(EVENTS.slice(0, 40), 0)
  await publish(EVENTS.slice(0, 40))
  const right = await ask('by_topic', {})
  const [file] = (await lake.current())!.views.by_topic!.files
  const path = lake.resolve(file!)
  const bytes = readFileSync(path)
  for (const at of [200, 400, bytes.length - 300]) {
    const edited = Buffer.from(bytes)
    edited[at]! ^= 1
    writeFileSync(path, edited)
    await expect(ask('by_topic', {})).rejects.toThrow(
      /states\/by_topic\/[0-9a-f]+\.parquet' does not have the checksum.*`watershed batch run --full`/,
    )
  }
  writeFileSync(path, bytes)
  expect((await ask('by_topic', {})).rows).toEqual(right.rows)
})

test('partials of another definition are never mixed in', async () => {
  await close(EVENTS.slice(0, 10), 0)
  const changed = await compileDataset(
    { ...definition, views: { ...definition.views, by_topic: { ...definition.views.by_topic!, where: 'id > 3' } } },
    connection,
  )
  serve({ dataset: changed })
  await expect(ask('by_topic', {})).rejects.toThrow(/watershed backfill talks/)
  expect((await ask('trending', {})).meta.rows.closed).toBe(10)
})

test('the time of a query is over also where no statement runs at that moment', async () => {
  await close(EVENTS.slice(0, 10), 0)
  const check = lake.check.bind(lake)
  vi.spyOn(lake, 'check').mockImplementation(async (files) => {
    await sleep(30)
    await check(files)
  })
  const query = parseQuery('talks', 'by_topic', {})
  await expect(answerQuery(served, query, { queryMsMax: 10 })).rejects.toThrow('queryMsMax = 10 ms')
})
