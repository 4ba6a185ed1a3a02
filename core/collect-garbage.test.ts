import { expect, test } from 'vitest'
import { until } from '#tests/until.ts'
import { collectGarbage } from './collect-garbage.ts'

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
