import { expect, test } from 'vitest'
import { QueryGate } from './query-gate.ts'

test('refuses a query beyond the limits of running and waiting ones, and names both limits', async () => {
  const gate = new QueryGate({ queriesMax: 1, queriesWaitingMax: 2 })
  const end = Promise.withResolvers<void>()
  const asked = [1, 2, 3].map((n) => gate.run(() => end.promise.then(() => n)))
  await expect(gate.run(async () => 4)).rejects.toThrow(
    'queriesMax = 1 queries are running and queriesWaitingMax = 2 are waiting',
  )
  end.resolve()
  expect(await Promise.all(asked)).toEqual([1, 2, 3])
})
