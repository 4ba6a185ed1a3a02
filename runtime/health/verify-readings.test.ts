import { expect, test } from 'vitest'
import { MemoryLake } from '#storage/lake/memory/memory-lake.ts'
import { Metrics } from '#telemetry/metrics.ts'
import { verifyReadings } from './verify-readings.ts'

const away = { dataset: 'away', verification: () => Promise.reject(new Error('the disk is gone')) }

test('the result and the time of the last verification have a sample from the start', async () => {
  const lake = new MemoryLake({ dataset: 'shop' })
  const metrics = new Metrics(() => verifyReadings([lake, away]))
  const shown = async (): Promise<string[]> =>
    (await metrics.text()).split('\n').filter((line) => /^watershed_verify/.test(line))
  const never = [
    'watershed_verify_equal{dataset="away",partition=""} -1',
    'watershed_verify_timestamp_seconds{dataset="away",partition=""} 0',
    'watershed_verify_whole_timestamp_seconds{dataset="away",partition=""} 0',
  ]
  expect((await shown()).sort()).toEqual(
    [
      'watershed_verify_equal{dataset="shop",partition=""} -1',
      'watershed_verify_timestamp_seconds{dataset="shop",partition=""} 0',
      'watershed_verify_whole_timestamp_seconds{dataset="shop",partition=""} 0',
      ...never,
    ].sort(),
  )
  await lake.recordVerification({ atMs: 1_700_000_000_500, equal: true, generation: 'g000001', fullFinishedAtMs: 5 })
  expect(await shown()).toContain('watershed_verify_equal{dataset="shop",partition=""} 1')
  expect(await shown()).toContain('watershed_verify_timestamp_seconds{dataset="shop",partition=""} 1700000000.5')
  expect(await shown()).toContain('watershed_verify_whole_timestamp_seconds{dataset="shop",partition=""} 1700000000.5')
  await lake.recordVerification({ atMs: 1_700_000_100_000, equal: false, generation: 'g000002', fullFinishedAtMs: 6 })
  expect(await shown()).toContain('watershed_verify_equal{dataset="shop",partition=""} 0')
})
