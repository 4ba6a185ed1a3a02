import { constants, PerformanceObserver } from 'node:perf_hooks'
import { expect, test } from 'vitest'
import { until } from '#tests/until.ts'
import { collectGarbage, ShortLived } from './collect-garbage.ts'

const { NODE_PERFORMANCE_GC_FLAGS_FORCED, NODE_PERFORMANCE_GC_MINOR } = constants

test('what nobody refers to is finalized, although nothing else needs memory', async () => {
  const finalized: string[] = []
  const registry = new FinalizationRegistry<string>((name) => finalized.push(name))
  const kept = { name: 'kept' }
  registry.register(kept, 'kept')
  for (const name of ['first', 'second']) registry.register({ name }, name)
  const end = collectGarbage(5)
  await until('both are finalized', () => finalized.length === 2)
  end()
  expect(finalized.toSorted()).toEqual(['first', 'second'])
  expect(kept.name).toBe('kept')
})

test('young objects are collected once for every so many that lived shortly', async () => {
  let forced = 0
  const observer = new PerformanceObserver((list) => {
    for (const { detail } of list.getEntries() as unknown as { detail: { kind: number; flags: number } }[])
      if (detail.kind === NODE_PERFORMANCE_GC_MINOR && detail.flags === NODE_PERFORMANCE_GC_FLAGS_FORCED) forced++
  })
  observer.observe({ entryTypes: ['gc'] })
  const buffers = new ShortLived(4)
  for (let made = 0; made < 11; made++) buffers.made()
  await until('both collections were seen', () => forced >= 2)
  observer.disconnect()
  expect(forced).toBe(2)
})
