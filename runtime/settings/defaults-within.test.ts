import { totalmem } from 'node:os'
import { expect, test } from 'vitest'
import { loadConfiguration } from './configuration.ts'
import { defaultsWithin, memoryAtHand } from './defaults-within.ts'

const MIB = 1024 * 1024

test('within 1.5 GiB the defaults are the settings that docs/operations.md recommends for it', () => {
  const expected = { serveMemoryMb: 256, streamMemoryMb: 256, batchMemoryMb: 256, openBytesMax: 128 * MIB }
  expect(defaultsWithin(1_536 * MIB)).toEqual(expected)
})

test('whatever the memory, what may be used is at most that, and at most the defaults of the schema', async () => {
  const schema = await loadConfiguration({})
  let before = 0
  for (let mib = 1_152; mib <= 8_192; mib += 64) {
    const fitted = await loadConfiguration({ defaults: defaultsWithin(mib * MIB) })
    const { serveMemoryMb, streamMemoryMb, batchMemoryMb, openBytesMax } = fitted
    const engines = serveMemoryMb + streamMemoryMb + batchMemoryMb
    expect(engines, `${mib} MiB`).toBeLessThanOrEqual(mib - 768)
    expect(engines).toBeGreaterThanOrEqual(before)
    before = engines
    expect(serveMemoryMb).toBeLessThanOrEqual(schema.serveMemoryMb)
    expect(streamMemoryMb).toBeLessThanOrEqual(schema.streamMemoryMb)
    expect(batchMemoryMb).toBeLessThanOrEqual(schema.batchMemoryMb)
    expect(openBytesMax).toBeLessThanOrEqual(schema.openBytesMax)
  }
  expect(defaultsWithin(8_192 * MIB)).toEqual({})
})

test('what is set stays as it is set, also in less memory than it needs', async () => {
  const defaults = defaultsWithin(256 * MIB)
  const configuration = await loadConfiguration({ defaults, environment: { WATERSHED_SERVE_MEMORY_MB: '900' } })
  expect(configuration).toMatchObject({ serveMemoryMb: 900, streamMemoryMb: 128 })
})

test('the memory at hand is that of the machine at most', () => {
  expect(memoryAtHand()).toBeGreaterThan(0)
  expect(memoryAtHand()).toBeLessThanOrEqual(totalmem())
})
