import { expect, test } from 'vitest'
import { ClientGoneError } from '../answers/query-error.ts'
import { SharedWork } from './shared-work.ts'

interface Begun {
  readonly work: SharedWork<string>
  readonly signal: AbortSignal
  readonly stops: number[]
  end(result: string): void
}

function begin(): Begun {
  const ending = Promise.withResolvers<string>()
  const stops: number[] = []
  let signal: AbortSignal | null = null
  const work = new SharedWork(
    (own) => {
      signal = own
      return ending.promise
    },
    () => stops.push(1),
  )
  return { work, signal: signal!, stops, end: ending.resolve }
}

test('all who wait get the result of one computation', async () => {
  const { work, end } = begin()
  const all = [work.join(), work.join(new AbortController().signal)]
  end('done')
  expect(await Promise.all(all)).toEqual(['done', 'done'])
})

test('is stopped when the last one who waits is gone, and not before', async () => {
  const { work, signal, stops } = begin()
  const clients = [new AbortController(), new AbortController()]
  const waits = clients.map((client) => work.join(client.signal))
  clients[0]!.abort()
  await expect(waits[0]).rejects.toBeInstanceOf(ClientGoneError)
  expect(signal.aborted).toBe(false)
  clients[1]!.abort()
  await expect(waits[1]).rejects.toBeInstanceOf(ClientGoneError)
  expect([signal.aborted, stops.length]).toEqual([true, 1])
})

test('goes on for whoever cannot go away', async () => {
  const { work, signal, end } = begin()
  const stays = work.join()
  const client = new AbortController()
  const leaves = work.join(client.signal)
  client.abort()
  await expect(leaves).rejects.toBeInstanceOf(ClientGoneError)
  expect(signal.aborted).toBe(false)
  end('done')
  expect(await stays).toBe('done')
})
