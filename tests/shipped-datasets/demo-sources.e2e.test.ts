/** Every shipped dataset with a demo source, started by its name: its first question, as `start` and `datasets` print it, soon has an answer. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SHIPPED_DATASETS } from '#datasets/shipped.ts'
import { PlatformProcess } from '#tests/crash/platform-process.ts'
import { until } from '#tests/until.ts'

const GENERATED = Object.entries(SHIPPED_DATASETS).filter(([, { generator }]) => generator !== undefined)

let data: string
let platform: PlatformProcess
let address: string
beforeAll(async () => {
  data = mkdtempSync(join(tmpdir(), 'watershed-demo-'))
  const datasets = GENERATED.flatMap(([name]) => ['--dataset', name])
  platform = new PlatformProcess({
    arguments: [...datasets, '--port', '0', '--set', 'demoEventsPerSecond=50'],
    environment: { WATERSHED_DATA: data, WATERSHED_PARTITIONS: '1' },
  })
  address = await platform.address
})
afterAll(async () => {
  await platform.stop()
  rmSync(data, { recursive: true, force: true })
})

test.each(GENERATED)('%s', async (name, { firstQuestion }) => {
  const rows = await until('it has an answer', async () => {
    const reply = await fetch(`${address}/v1/datasets/${name}/views/${firstQuestion}`)
    const text = await reply.text()
    expect(reply.status, text).toBe(200)
    const { data: found } = JSON.parse(text) as { data: object[] }
    return found.length > 0 && found
  })
  expect(rows.length).toBeGreaterThan(0)
})

test('the health of a dataset says that the demo feeds it', async () => {
  const reply = await fetch(`${address}/v1/datasets/${GENERATED[0]![0]}/health`)
  const { hops } = (await reply.json()) as { hops: { hop: string; message: string }[] }
  expect(hops.find(({ hop }) => hop === 'sources')?.message).toMatch(/^the demo sends 50 generated events\/s/)
})

test('a source without its credentials is paused, which is not a fault', async () => {
  const found = await until('its state is known', async () => {
    const { sources } = (await (await fetch(`${address}/v1/sources`)).json()) as {
      sources: { source: string; state: string }[]
    }
    const state = sources.find(({ source }) => source === 'recent_search')?.state
    return state !== undefined && state !== 'starting' && state
  })
  expect(found).toBe('paused')
})
