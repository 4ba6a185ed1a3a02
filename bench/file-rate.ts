/** Files into a running platform with all views live, by the real command: rate, and CPU time per event of both processes. */
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { FloodedServer } from './intake/flooded-server.ts'
import { rsvpBodies } from './intake/rsvp-bodies.ts'
import { spawnNode } from './serving/pinned-process.ts'
import { cpuSeconds } from './serving/process-usage.ts'

const MAIN = join(import.meta.dirname, '../runtime/main.ts')
const REPEATS = 6
const CSV_EVENTS = 360_000
const SAMPLE_MS = 20
/** flushes and closings that follow the last event belong to its costs */
const SETTLE_MS = 3_000

interface FileKind {
  readonly dataset: string
  readonly flags: readonly string[]
  /** whose answer tells when all is counted */
  readonly view: string
  readonly file: (folder: string) => { readonly path: string; readonly events: number }
}

export async function fileRate(): Promise<Record<string, number>> {
  const ndjson = await measured({
    dataset: 'meetup_rsvps',
    flags: [],
    view: 'meetup_rsvps/views/responses_by_country?dimensions=&measures=responses',
    file: ndjsonFile,
  })
  const definition = join(import.meta.dirname, 'intake/sales-table.ts')
  const csv = await measured({
    dataset: 'sales_table',
    flags: ['--dataset', definition],
    view: 'sales_table/views/by_shop?dimensions=',
    file: csvFile,
  })
  const flat = await measured({
    dataset: 'sales_table',
    flags: ['--dataset', definition],
    view: 'sales_table/views/by_shop?dimensions=',
    file: flatFile,
  })
  const named = (name: string, figures: Record<string, number>): [string, number][] =>
    Object.entries(figures).map(([key, value]) => [`${name}${key}`, value])
  return Object.fromEntries([...named('ndjson', ndjson), ...named('csv', csv), ...named('flatNdjson', flat)])
}

async function measured({ dataset, flags, view, file }: FileKind): Promise<Record<string, number>> {
  const server = await FloodedServer.start('start', flags)
  try {
    const { path, events } = file(server.folder)
    const empty = join(server.folder, `empty-${path.endsWith('csv') ? '.ndjson' : 'file'}`)
    writeFileSync(empty, '')
    const idle = await ingested(dataset, empty, server.folder, flags)
    const [began, cpuBefore] = [performance.now(), cpuSeconds(server.pid)]
    const command = await ingested(dataset, path, server.folder, flags)
    const durableMs = performance.now() - began
    while ((await server.behind(view)) > 0) await sleep(SAMPLE_MS)
    const countedMs = performance.now() - began
    await sleep(SETTLE_MS)
    const commandUs = ((command - idle) * 1e6) / events
    const platformUs = ((cpuSeconds(server.pid) - cpuBefore) * 1e6) / events
    return {
      EventsPerSecond: events / (countedMs / 1_000),
      DurableEventsPerSecond: events / (durableMs / 1_000),
      CommandCpuUsPerEvent: commandUs,
      PlatformCpuUsPerEvent: platformUs,
      TwoCoreEventsPerSecond: 2e6 / (commandUs + platformUs),
    }
  } finally {
    await server.stop()
  }
}

/** CPU seconds of the command. */
async function ingested(dataset: string, file: string, data: string, flags: readonly string[]): Promise<number> {
  const child = spawnNode(MAIN, ['ingest', dataset, file, '--json', '--data', data, ...flags])
  child.stdout!.resume()
  let used = 0
  const sampling = setInterval(() => {
    try {
      used = cpuSeconds(child.pid!)
    } catch {
      // It has ended.
    }
  }, SAMPLE_MS)
  const [code] = (await once(child, 'exit')) as [number]
  clearInterval(sampling)
  if (code !== 0) throw new Error(`watershed ingest ${file} ended with code ${code}`)
  return used
}

function ndjsonFile(folder: string): { path: string; events: number } {
  const path = join(folder, 'rsvps.ndjson')
  const request = 1_000
  const bodies = Array.from({ length: REPEATS }, () => rsvpBodies(request)).flat()
  writeFileSync(path, Buffer.concat(bodies))
  return { path, events: bodies.length * request }
}

/** Ten columns of 1.2 KB together. */
function* sales(): Generator<Readonly<Record<string, string | number>>> {
  const startMs = Date.now() - CSV_EVENTS
  const text = 'lorem ipsum dolor sit amet '.repeat(36)
  for (let id = 0; id < CSV_EVENTS; id++) {
    const shop = `shop-${id % 50}`
    const of = { city: `city of ${shop}`, country: `country ${id % 9}`, seller: `seller-${id % 300}` }
    const paid = { payment: 'paid, by card', note: `${text}${id}` }
    yield { id, at: startMs + id, shop, items: id % 7, price: (id % 1_000) / 10, ...of, ...paid }
  }
}

function csvFile(folder: string): { path: string; events: number } {
  const path = join(folder, 'sales.csv')
  const lines = sales().map((sale) =>
    Object.values(sale)
      .map((value) => (String(value).includes(',') ? `"${value}"` : value))
      .join(','),
  )
  writeFileSync(path, `id,at,shop,items,price,city,country,seller,payment,note\n${[...lines].join('\n')}\n`)
  return { path, events: CSV_EVENTS }
}

/** The same as NDJSON, without nesting. */
function flatFile(folder: string): { path: string; events: number } {
  const path = join(folder, 'sales.ndjson')
  writeFileSync(path, `${[...sales().map((sale) => JSON.stringify(sale))].join('\n')}\n`)
  return { path, events: CSV_EVENTS }
}
