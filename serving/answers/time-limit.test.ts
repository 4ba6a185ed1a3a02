import { once } from 'node:events'
import { expect, test } from 'vitest'
import { type ServedShop, serveShop } from '../http/serve-app-fixture.ts'
import { ClientGoneError, QueryTimeoutError } from './query-error.ts'
import { limited } from './time-limit.ts'

const never = new Promise<never>(() => {})

test('work that cannot be interrupted ends the wait all the same, and its signal is aborted', async () => {
  let seen: AbortSignal | null = null
  const work = (signal: AbortSignal): Promise<never> => {
    seen = signal
    return never
  }
  await expect(limited(5, undefined, work)).rejects.toBeInstanceOf(QueryTimeoutError)
  expect(seen!.aborted).toBe(true)

  const gone = new AbortController()
  const waiting = limited(60_000, gone.signal, work)
  gone.abort()
  await expect(waiting).rejects.toBeInstanceOf(ClientGoneError)
  expect(seen!.aborted).toBe(true)
  await expect(limited(60_000, gone.signal, work)).rejects.toBeInstanceOf(ClientGoneError)
})

test('the fault of an interrupted statement is the limit that interrupted it', async () => {
  const work = async (signal: AbortSignal): Promise<void> => {
    await once(signal, 'abort')
    throw new Error('INTERRUPT')
  }
  await expect(limited(5, undefined, work)).rejects.toThrow('queryMsMax = 5 ms')
  await expect(limited(60_000, undefined, () => Promise.reject(new RangeError('own')))).rejects.toThrow('own')
})

/** @param part the method of the lake that never answers */
async function statusWithout(part: 'current' | 'chains', path: string): Promise<number[]> {
  const shop: ServedShop = await serveShop({ queryMsMax: 20, queriesMax: 1 })
  try {
    const { lake } = shop.parts.datasets!.get('shop')!
    Object.assign(lake, { [part]: () => never })
    const answers = await Promise.all([shop.app.inject(path), shop.app.inject(path)])
    expect(answers[0].json().detail).toContain('queryMsMax = 20 ms')
    return answers.map(({ statusCode }) => statusCode)
  } finally {
    await shop.close()
  }
}

test.each([
  ['current', '/v1/datasets/shop/views/by_kind'],
  ['current', '/v1/datasets/shop/generations'],
  ['chains', '/v1/datasets/shop/dead-letters'],
] as const)('with a lake whose %s does not answer, %s and what waits for its turn end in time', async (part, path) => {
  expect(await statusWithout(part, path)).toEqual([503, 503])
})
