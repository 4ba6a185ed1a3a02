import { expect, test } from 'vitest'
import type { EngineConnection } from './engine-connection.ts'
import { IdleConnections } from './idle-connections.ts'

test('as many statements run at once as there are connections, each on one that is idle, also after a failure', async () => {
  const busy = new Set<number>()
  let most = 0
  const connection = (number: number) => ({
    run: async (sql: string): Promise<number> => {
      expect(busy.has(number)).toBe(false)
      busy.add(number)
      most = Math.max(most, busy.size)
      await new Promise(setImmediate)
      busy.delete(number)
      if (sql === 'fails') throw new Error(sql)
      return number
    },
  })
  const idle = new IdleConnections([connection(0), connection(1)] as unknown as EngineConnection[])
  const statements = ['fails', 'a', 'b', 'fails', 'c']
  const ended = await Promise.allSettled(statements.map((sql) => idle.run(sql)))
  expect(ended.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled', 'rejected', 'fulfilled'])
  expect(most).toBe(2)
})
