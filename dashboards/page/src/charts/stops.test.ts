import { expect, test } from 'vitest'
import { stopAfter, stopsOf } from './stops.ts'

const keys = (option: Parameters<typeof stopsOf>[0]): string[] => stopsOf(option).map(({ key }) => key)

test('lines are followed along their times, each once, also to the bucket that is filling', () => {
  const series = [
    {
      type: 'line',
      data: [
        [10, 1],
        [20, null],
      ],
    },
    {
      type: 'line',
      data: [
        [10, 3],
        [20, 4],
      ],
    },
    {
      type: 'line',
      data: [
        [20, 4],
        [30, 5],
      ],
    },
  ]
  expect(stopsOf({ tooltip: { trigger: 'axis' }, series })).toMatchObject([
    { seriesIndex: 0, dataIndex: 0, key: '10' },
    { seriesIndex: 1, dataIndex: 1, key: '20' },
    { seriesIndex: 2, dataIndex: 1, key: '30' },
  ])
})

test('countries and points are followed from the largest to the smallest', () => {
  const countries = [
    { name: '840', value: 2 },
    { name: '276', value: 3 },
    { name: '702', value: 1 },
  ]
  const small = [{ name: '702', value: [103, 1, 1] }]
  const series = [
    { type: 'map', data: countries },
    { type: 'scatter', data: small },
  ]
  expect(keys({ series })).toEqual(['276', '840', '702'])
  expect(stopsOf({ series }).map(({ name }) => name)).toEqual(['276', '840', '702'])
  expect(
    keys({
      series: [
        {
          type: 'scatter',
          data: [
            { name: '', value: [1, 2, 5] },
            { name: '', value: [1, 2, 9] },
          ],
        },
      ],
    }),
  ).toEqual(['1', '0'])
})

test('hours without events are passed over, bars are not', () => {
  expect(
    keys({
      series: [
        {
          type: 'heatmap',
          data: [
            [0, 0, 0, 0],
            [1, 0, 4, 2],
          ],
        },
      ],
    }),
  ).toEqual(['1'])
  expect(keys({ series: [{ type: 'bar', data: [3, 0, 2] }] })).toEqual(['0', '1', '2'])
})

test('a step leads on from where it is, begins at an end, and stays at the last one', () => {
  const stops = stopsOf({ series: [{ type: 'bar', data: [3, 0, 2] }] })
  const after = (now: string | null, steps: number) => stopAfter(stops, now, steps)?.key
  expect([after(null, 1), after(null, -1), after('0', 1), after('2', 1)]).toEqual(['0', '2', '1', '2'])
  expect([after('1', Number.POSITIVE_INFINITY), after('1', Number.NEGATIVE_INFINITY)]).toEqual(['2', '0'])
  expect(stopAfter([], null, 1)).toBeNull()
})
