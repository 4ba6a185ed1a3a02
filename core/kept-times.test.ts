import { expect, test } from 'vitest'
import { testConnection } from '#storage/engine/engine-fixture.ts'
import { compileDataset } from './compile-dataset.ts'
import { count, type DatasetDefinition, type ViewDefinition } from './definition.ts'
import { horizonAt } from './kept-times.ts'

const connection = await testConnection()
const [HOUR, DAY] = [3_600_000, 86_400_000]

type Panes = NonNullable<DatasetDefinition['keep']>['panes']
const definition = (
  panes: Panes,
  view: Partial<ViewDefinition> = { time: ['minute', 'hour', 'day'] },
): DatasetDefinition => ({
  name: 'winds',
  time: 'at',
  key: 'id',
  keep: { panes },
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
  },
  views: { all: { dimensions: {}, measures: { n: count() }, ...view } },
})
const compiled = async (panes: Panes, view?: Partial<ViewDefinition>) =>
  compileDataset(definition(panes, view), connection)
/** In days: before which time panes are of what grain. */
const levels = async (panes: Panes, view?: Partial<ViewDefinition>): Promise<unknown[]> => {
  const { keptPanes } = await compiled(panes, view)
  return horizonAt(keptPanes.get('all')!, 1_000 * DAY + 1.5 * HOUR).map(({ beforeMs, grain }) => [
    beforeMs / DAY,
    grain,
  ])
}

test('panes become those of the next coarser grain of their view, or are removed where it has none that is kept longer', async () => {
  expect(await levels({ minute: '7d' })).toEqual([[993 + 1 / 24, 'hour']])
  expect(await levels({ minute: '7d', hour: '90d' })).toEqual([
    [910, 'day'],
    [993 + 1 / 24, 'hour'],
  ])
  expect(await levels({ minute: '7d', hour: '7d', day: '7d' })).toEqual([
    [993, null],
    [993 + 1 / 24, 'hour'],
  ])
  expect(await levels({ minute: 'forever', hour: 'forever' })).toEqual([])
  // Detail that is kept holds all that is coarser.
  expect(await levels({ day: '90d' })).toEqual([])
  expect(await levels({ minute: '7d' }, { time: ['minute', 'day'] })).toEqual([[993, 'day']])
  expect(await levels({ hour: '7d' }, { time: ['hour', 'month'] })).toEqual([[993 + 1 / 24, null]])
  expect(await levels({ day: '7d' }, { time: ['month'] })).toEqual([[993, null]])
  expect(await levels({ minute: '7d' }, { time: ['second', 'minute'] })).toEqual([])
  expect(await levels({ minute: '7d' }, {})).toEqual([])
})

test('panes of windows are removed by the longest grain that divides them', async () => {
  const window = { size: '1h', every: '20m' } as const
  expect(await levels({ '5m': '7d' }, { window })).toEqual([
    [993 + 1.333_333_333 / 24, null].map((v) => (typeof v === 'number' ? expect.closeTo(v, 6) : v)),
  ])
  expect(await levels({ minute: '7d' }, { window })).toEqual([])
})

test('the policy is in no hash', async () => {
  const hashes = await Promise.all([{}, { minute: '7d' }, { hour: '90d' }].map((panes) => compiled(panes as Panes)))
  expect(new Set(hashes.map(({ schemaHash, views }) => `${schemaHash} ${views.get('all')!.hash}`)).size).toBe(1)
})

test.each<[Panes | object, Partial<ViewDefinition> | undefined, RegExp]>([
  [{ week: '7d' }, undefined, /keep\.panes: unknown grain 'week'; panes are of a fixed length: second, 10s, minute/],
  [{ minutes: '7d' }, undefined, /unknown grain 'minutes' \(did you mean 'minute'\?\)/],
  [{ minute: 'a week' }, undefined, /keep\.panes\.minute \('forever' keeps all\): 'a week' is not a duration/],
  [{ hour: '60m' }, undefined, /keep\.panes\.hour: '60m' is not longer than a pane/],
  [{ minute: '7d', hour: '1d' }, undefined, /'hour' is kept for less time than the finer 'minute' \(1d, 7d\)/],
  [
    { minute: 'forever', day: '90d' },
    undefined,
    /'day' is kept for less time than the finer 'minute' \(90d, forever\)/,
  ],
  [
    { '5m': '1h' },
    { window: { size: '1h', every: '5m' } },
    /view 'all': its window of 3600 s is not shorter than its panes are kept, 3600 s \(keep\.panes\.5m\)/,
  ],
])('what cannot be meant is refused: %j', async (panes, view, problem) => {
  await expect(compiled(panes as Panes, view)).rejects.toThrow(problem)
})
