import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { Metrics, type StateReading } from './metrics.ts'

const documented = readFileSync(fileURLToPath(new URL('../docs/reference/metrics.md', import.meta.url)), 'utf8')

test('docs/reference/metrics.md names every metric with its kind and meaning, and no other', async () => {
  const text = await new Metrics().text()
  const kinds = new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map((match) => [match[1]!, match[2]!]))
  const inCode = [...text.matchAll(/^# HELP (\S+) (.+)$/gm)].map(([, name, help]) => [name, kinds.get(name!), help])
  const inDocs = [...documented.matchAll(/^\| `(\w+)` \| (\w+) \| .* \| (.+) \|$/gm)].map((match) => match.slice(1, 4))
  expect(inDocs.map(String).sort()).toEqual(inCode.map(String).sort())
})

test('counts events, and reads states at each scrape', async () => {
  const metrics = new Metrics(async () => [{ name: 'watershed_rows', dataset: 'shop', value: 7 }])
  const event = { level: 'info', message: '', dataset: 'shop' } as const
  metrics.count({ ...event, name: 'segment-closed' })
  metrics.count({ ...event, name: 'segment-closed' })
  const text = await metrics.text()
  expect(text).toContain('watershed_events_total{name="segment-closed",level="info",dataset="shop"} 2')
  expect(text).toContain('watershed_rows{dataset="shop",partition=""} 7')
})

test('scrapes at the same time read states once, and one that takes too long only lacks them', async () => {
  let reads = 0
  const first = Promise.withResolvers<readonly StateReading[]>()
  const metrics = new Metrics(() => {
    reads++
    return first.promise
  }, 10)
  const [one, two] = await Promise.all([metrics.text(), metrics.text()])
  expect(one).toBe(two)
  expect(one).not.toContain('watershed_rows{')
  await metrics.text()
  expect(reads).toBe(1)
  first.resolve([{ name: 'watershed_rows', dataset: 'shop', value: 7 }])
  expect(await metrics.text()).toContain('watershed_rows{dataset="shop",partition=""} 7')
})
