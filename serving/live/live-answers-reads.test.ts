/** What resident answers read: every file once, no rows of other panes or keys, and the newest panes of large views as a tally. */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { count, defineDataset, latest } from '#core/definition.ts'
import type { ViewQuery } from '#core/query.ts'
import { filesWithin } from '#storage/lake/state-ranges.ts'
import { LiveVisits, PAGES, START, visits, visitsDefinition, WHEN_TOLD } from '#tests/live-visits-fixture.ts'
import { BoundValues } from '../answers/bound-values.ts'
import { LiveAnswers } from './live-answers.ts'
import { scannedRows } from './scanned-rows-fixture.ts'

/** No file of a generation is kept in memory. */
const ON_DISK = { ...WHEN_TOLD, generationFileBytesMax: 0, largeFilesBytesMax: 0 }

let own: LiveVisits
beforeEach(async () => {
  own = await LiveVisits.open()
})
afterEach(() => own.end())

test('each file is read once: of a closed segment when it closed, of a generation what it added', async () => {
  await own.append(100)
  await own.close()
  await own.ask({ view: 'by_page' })
  const closed = own.filesRead.filter((path) => path.includes('by_page'))
  expect(closed).toHaveLength(2)
  for (const events of [10, 20]) {
    await own.append(events)
    await own.live.refresh()
    expect(visits(await own.ask({ view: 'by_page' }))).toBe(own.appended)
  }
  expect(own.filesRead.filter((path) => path.includes('by_page'))).toEqual(closed)
  await own.close()
  await own.live.refresh()
  expect(visits(await own.ask({ view: 'by_page' }))).toBe(130)
  expect(own.filesRead.filter((path) => path.includes('segments/') && path.includes('by_page'))).toHaveLength(4)

  await own.publish('full')
  await own.live.refresh()
  expect(visits(await own.ask({ view: 'by_page' }))).toBe(130)
  expect(own.filesRead.filter((path) => path.includes('states/') && path.includes('by_page'))).toHaveLength(1)
  await own.append(4)
  await own.close()
  await own.publish('incremental')
  await own.live.refresh()
  expect(visits(await own.ask({ view: 'by_page' }))).toBe(134)
  const states = own.filesRead.filter((path) => path.includes('states/') && path.includes('by_page'))
  expect(states).toHaveLength(2)
})

test('closed segments that share keys stay in memory, however many there are', async () => {
  const everDefinition = defineDataset({
    ...visitsDefinition,
    views: { ever: { dimensions: { page: 'page' }, measures: { visits: count(), last: latest('page') } } },
  })
  const ever = await LiveVisits.open(everDefinition, { closedBytesMax: 6_000 })
  try {
    for (let segments = 0; segments < 12; segments++) {
      await ever.append(20)
      await ever.close()
      await ever.live.refresh()
      expect(visits(await ever.ask({ view: 'ever' }))).toBe(ever.appended)
      const head = await ever.live.head('ever')
      expect(head.sql(new BoundValues(), {})).not.toContain('parquet')
      head.release()
    }
    const read = ever.filesRead.filter((path) => path.includes('ever'))
    expect(read).toHaveLength(24)
    const bytes = read.reduce((sum, path) => sum + statSync(join(ever.folder, 'lake', 'visits', path)).size, 0)
    expect(bytes).toBeGreaterThan(12_000)
  } finally {
    await ever.end()
  }
})

test('closed segments with new keys stay in memory up to the limit; further ones are read from their files', async () => {
  const byId = await LiveVisits.open(
    defineDataset({
      ...visitsDefinition,
      views: { by_id: { dimensions: { id: 'id' }, measures: { visits: count() } } },
    }),
    { closedBytesMax: 12_000 },
  )
  try {
    const isRead: boolean[] = []
    for (let segments = 0; segments < 12; segments++) {
      await byId.append(200)
      await byId.close()
      await byId.live.refresh()
      expect(visits(await byId.ask({ view: 'by_id', dimensions: [] }))).toBe(byId.appended)
      const head = await byId.live.head('by_id')
      isRead.push(head.sql(new BoundValues(), {}).includes('parquet'))
      head.release()
    }
    expect([isRead[0], isRead.at(-1)]).toEqual([false, true])
  } finally {
    await byId.end()
  }
})

test('a range of time leaves out files of other panes, where files are too large to be kept in memory', async () => {
  await own.append(16_000)
  await own.close()
  await own.publish('full', 20_000)
  await own.append(600)
  await own.close()
  await own.publish('incremental', 20_000)
  const files = (await own.lake.current())!.views.by_page!.files
  expect(files.length).toBeGreaterThan(2)
  const onDisk = own.follow(ON_DISK)
  try {
    own.answers = new LiveAnswers(onDisk)
    for (const minutes of [0, 61, 130, 240, 274]) {
      const fromMs = START + minutes * 60_000
      const toMs = fromMs + 10 * 60_000
      const expected = Math.max(0, Math.min(600, own.appended - minutes * 60))
      expect(visits(await own.ask({ view: 'by_page', fromMs, toMs }))).toBe(expected)
      const head = await onDisk.head('by_page')
      const named = files.filter(({ path }) => head.sql(new BoundValues(), { fromMs, beforeMs: toMs }).includes(path))
      expect(named).toEqual(filesWithin(files, { fromMs, beforeMs: toMs }))
      expect(named.length).toBeLessThan(files.length)
      head.release()
    }
    expect(visits(await own.ask({ view: 'by_page' }))).toBe(own.appended)
  } finally {
    await onDisk.stop()
  }
})

test('files of a generation are looked at when it is new, not at every moment', async () => {
  await own.append(16_000)
  await own.close()
  await own.publish('full', 20_000)
  const looked: string[] = []
  const lake: typeof own.lake = Object.create(own.lake)
  lake.check = async (files) => {
    looked.push(...[...files].map(({ path }) => path))
    return own.lake.check(files)
  }
  lake.resolve = (file) => own.lake.resolve(file)
  lake.current = () => own.lake.current()
  lake.chains = (...asked) => own.lake.chains(...asked)
  lake.refusals = () => own.lake.refusals()
  const onDisk = own.follow(ON_DISK, lake)
  try {
    own.answers = new LiveAnswers(onDisk)
    const files = async (): Promise<string[]> =>
      (await own.lake.current())!.views.by_page!.files.map(({ path }) => path)
    for (const mode of ['full', 'incremental'] as const) {
      expect(visits(await own.ask({ view: 'by_page' }))).toBe(own.appended)
      const [ofStates, before] = [await files(), looked.length]
      expect(ofStates.filter((path) => !looked.includes(path))).toEqual([])
      for (let moments = 0; moments < 3; moments++) {
        await own.append(10)
        await onDisk.refresh()
        expect(visits(await own.ask({ view: 'by_page' }))).toBe(own.appended)
      }
      expect(looked.slice(before).filter((path) => ofStates.includes(path))).toEqual([])
      if (mode === 'incremental') break
      await own.close()
      await own.publish('incremental', 20_000)
      await onDisk.refresh()
    }
  } finally {
    await onDisk.stop()
  }
})

test('of a view with more rows than a tally may have, the newest panes are tallied, also those in large files; earlier ones are left to the engine', async () => {
  await own.append(6_000)
  await own.close()
  await own.publish('full', 20_000)
  await own.append(60)
  const onDisk = own.follow({ ...ON_DISK, tallyRowsMax: 200, tallyAfterAnswers: 2 })
  try {
    own.answers = new LiveAnswers(onDisk)
    /** At another moment each time. An event a second: each minute has 60. */
    const isTallied = async (query: Omit<ViewQuery, 'dataset' | 'view'>): Promise<boolean> => {
      const before = own.answers.tallied
      await own.append(10)
      await onDisk.refresh()
      expect(visits(await own.ask({ view: 'trending', limit: 10, ...query }))).toBe(60)
      return own.answers.tallied > before
    }
    const newest = (): Promise<boolean> => isTallied({ at: 'latest' })
    expect([await newest(), await newest()]).toEqual([false, false])
    await newest()
    const minute = (fromMs: number): Promise<boolean> => isTallied({ fromMs, toMs: fromMs + 60_000 })
    expect([await newest(), await newest()]).toEqual([true, true])
    expect(await minute(START + 6_000_000)).toBe(true)
    expect(await minute(START + 600_000)).toBe(false)
    await own.close()
    await onDisk.refresh()
    expect(await newest()).toBe(true)
    await own.publish('incremental', 20_000)
    await onDisk.refresh()
    // The new head already has a tally of the ranges queried before.
    expect([await newest(), await minute(START + 6_000_000)]).toEqual([true, true])
    // As many panes again as it may have.
    for (let asked = 0; asked < 25; asked++) await newest()
    expect(await newest()).toBe(true)
  } finally {
    await onDisk.stop()
  }
})

test('warm-up answers a query of each view and makes its tally, but skips views in large files', async () => {
  await own.append(16_000)
  await own.close()
  await own.publish('full', 20_000)
  await own.live.refresh()
  expect(await own.answers.warmUp(new AbortController().signal)).toEqual(['by_page', 'trending'])
  const { tallied } = own.answers
  expect(visits(await own.ask({ view: 'trending', at: 'latest', limit: 10 }))).toBe(60)
  expect(own.answers.tallied).toBe(tallied + 1)
  const onDisk = own.follow(ON_DISK)
  try {
    const cold = new LiveAnswers(onDisk)
    expect(await cold.warmUp(new AbortController().signal)).toEqual([])
    expect(cold.counts.computed).toBe(0)
    expect(await own.answers.warmUp(AbortSignal.abort())).toEqual([])
  } finally {
    await onDisk.stop()
  }
})

test('files that are gone before they are read are looked for anew, also while a view is brought up to date', async () => {
  await own.append(100)
  await own.close()
  own.vanishing = Number.POSITIVE_INFINITY
  await expect(own.ask({ view: 'by_page' })).rejects.toThrow('a file of the test is gone')
  own.vanishing = 2
  expect(visits(await own.ask({ view: 'by_page' }))).toBe(100)
})

test('a view whose files are gone is known as failing, also from the warm-up, until it is answered', async () => {
  await own.append(100)
  await own.close()
  own.vanishing = Number.POSITIVE_INFINITY
  expect(await own.answers.warmUp(new AbortController().signal)).toEqual([])
  const gone = 'a file of the test is gone'
  expect(Object.fromEntries(own.answers.failing)).toEqual({ by_page: gone, trending: gone })
  own.vanishing = 0
  expect(visits(await own.ask({ view: 'by_page' }))).toBe(100)
  expect([...own.answers.failing.keys()]).toEqual(['trending'])
  // A question that no view answers is not a fault of one.
  expect(() => own.answers.asked({ dataset: 'visits', view: 'by_page', measures: ['x'] })).toThrow()
  expect([...own.answers.failing.keys()]).toEqual(['trending'])
})

test('rows of other panes and keys do not leave the scans', async () => {
  await own.append(600)
  await own.close()
  await own.append(600)
  await own.live.refresh()
  expect(visits(await own.ask({ view: 'by_page' }))).toBe(1_200)
  const [closed, open] = [300_000, 900_000]
  for (const fromMs of [START + closed, START + open]) {
    const query = { view: 'by_page', fromMs, toMs: fromMs + 120_000, filters: [] }
    expect(visits(await own.ask(query))).toBe(120)
    // Two minutes of each page: a page's events are all in one partition.
    expect((await scannedRows(own.live, query)).left).toBe(2 * PAGES.length)
    const ofOne = { ...query, filters: [{ dimension: 'page', operator: 'eq', values: ['/a'] }] } as const
    expect((await scannedRows(own.live, ofOne)).left).toBe(2)
  }
})
