import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { type GateLimits, QueryGate } from './query-gate.ts'

const stays = new AbortController().signal

/** A gate, and queries that run until they are ended. */
function gateOf(limits: Partial<GateLimits>) {
  const gate = new QueryGate({ queriesMax: 2, queriesPerClientMax: 2, queriesWaitingMax: 10, ...limits })
  const began: string[] = []
  const ends = new Map<string, () => void>()
  const ask = (client: string, name: string, signal = stays): Promise<string> => {
    const end = Promise.withResolvers<string>()
    ends.set(name, () => end.resolve(name))
    return gate.run(client, signal, () => {
      began.push(name)
      return end.promise
    })
  }
  return { began, ask, end: (name: string) => ends.get(name)!() }
}

test('refuses a query beyond the limits of running and waiting ones, and names all limits', async () => {
  const { ask, end } = gateOf({ queriesMax: 1, queriesWaitingMax: 2 })
  const asked = ['1', '2', '3'].map((name) => ask('a', name))
  await expect(ask('a', '4')).rejects.toThrow(
    'queriesMax = 1 queries (queriesPerClientMax = 2 of one client) are running and queriesWaitingMax = 2 are waiting',
  )
  for (const [index, name] of ['1', '2', '3'].entries()) {
    end(name)
    expect(await asked[index]).toBe(name)
  }
})

test('leaves a slot to other clients, and gives a free one to the client that runs the fewest', async () => {
  const { began, ask, end } = gateOf({ queriesMax: 3, queriesPerClientMax: 2 })
  const asked = ['a1', 'a2', 'a3', 'a4', 'b1', 'b2'].map((name) => ask(name[0]!, name))
  expect(began).toEqual(['a1', 'a2', 'b1'])
  end('a1')
  await turn()
  expect(began.slice(3)).toEqual(['a3'])
  end('b1')
  await turn()
  expect(began.slice(4)).toEqual(['b2'])
  for (const name of ['a2', 'a3', 'b2', 'a4']) {
    end(name)
    await turn()
  }
  expect(await Promise.all(asked)).toEqual(['a1', 'a2', 'a3', 'a4', 'b1', 'b2'])
})

test('one client that fills the queue keeps no other from waiting in it', async () => {
  const { began, ask, end } = gateOf({ queriesMax: 1, queriesPerClientMax: 1, queriesWaitingMax: 3 })
  const running = ask('a', 'a0')
  const waiting = ['a1', 'a2', 'a3'].map((name) => ask('a', name))
  const other = ask('b', 'b1')
  await expect(waiting[2]).rejects.toThrow('queriesWaitingMax = 3 are waiting')
  end('a0')
  await turn()
  end('a1')
  await turn()
  end('a2')
  await turn()
  expect(began).toEqual(['a0', 'a1', 'a2', 'b1'])
  end('b1')
  expect(await Promise.all([running, waiting[0], waiting[1], other])).toEqual(['a0', 'a1', 'a2', 'b1'])
})

test('a query whose client is gone gives up its place and never runs', async () => {
  const { began, ask, end } = gateOf({ queriesMax: 1, queriesWaitingMax: 1 })
  const running = ask('a', '1')
  const gone = new AbortController()
  const leaves = ask('a', '2', gone.signal)
  gone.abort(new Error('gone'))
  await expect(leaves).rejects.toThrow('gone')
  const waits = ask('a', '3')
  end('1')
  await running
  end('3')
  await waits
  expect(began).toEqual(['1', '3'])
})
