import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ServedDataset, takeSnapshot } from '#serving/answers/snapshot.ts'
import { type ServedShop, serveShop } from '#serving/http/serve-app-fixture.ts'
import { AnswerProbe, type ProbedDataset } from './answer-probe.ts'

let shop: ServedShop
let served: ServedDataset
beforeAll(async () => {
  shop = await serveShop()
  served = [...shop.parts.datasets!.values()][0]!
})
afterAll(() => shop.close())

const probed = (dataset: ServedDataset): ProbedDataset => ({
  name: dataset.dataset.name,
  snapshot: () => takeSnapshot(dataset, { views: [] }),
})

test('is ready when a snapshot can be taken', async () => {
  const log = { range: async (partition: number) => ({ partition, start: 0, end: 7 }) }
  expect(await new AnswerProbe([probed({ ...served, log })]).look()).toEqual([
    { name: 'answers of shop', ready: true, state: 'running', detail: 'generation none, 7 events behind the log' },
  ])
})

test('reports an unknown lag while the log is unavailable', async () => {
  const log = { range: () => Promise.reject(new Error('the broker is away')) }
  const [part] = await new AnswerProbe([probed({ ...served, log })]).look()
  expect(part).toMatchObject({ ready: true, detail: expect.stringMatching(/^generation none, .*is not known$/) })
})

test('tells why it is not, and does not wait for a store that does not answer', async () => {
  const away = { ...served.store, read: () => Promise.reject(new Error('the store is away')) }
  const silent = { ...served.store, read: () => new Promise<never>(() => {}) }
  const probe = new AnswerProbe([probed({ ...served, store: away }), probed({ ...served, store: silent })], {
    lookMsMax: 50,
  })
  expect(await probe.look()).toEqual([
    { name: 'answers of shop', ready: false, state: 'failing', detail: 'the store is away' },
    { name: 'answers of shop', ready: false, state: 'failing', detail: 'no snapshot within 50 ms' },
  ])
})

test('a failing view is named, and the process stays ready', async () => {
  const [part] = await new AnswerProbe([{ ...probed(served), failing: new Map([['by_kind', 'x is damaged']]) }]).look()
  expect(part).toMatchObject({
    ready: true,
    detail: expect.stringContaining("; view 'by_kind' could not be answered when last asked for: x is damaged"),
  })
})

test('many probes at once are one look', async () => {
  let looks = 0
  const counting: ProbedDataset = {
    name: 'shop',
    snapshot: () => {
      looks++
      return takeSnapshot(served, { views: [] })
    },
  }
  const probe = new AnswerProbe([counting], { lookAgainMs: 60_000 })
  const [first, second] = await Promise.all([probe.look(), probe.look()])
  expect(second).toBe(first)
  expect(looks).toBe(1)
})
