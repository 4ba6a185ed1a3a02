/**
 * Many live readers, and an EventSource in a real browser, while the serving process is killed and started again: each sees every change
 * once, in order, and every answer that it ever has is the recount at the position in the event's id.
 * LIVE_READERS=1000 LIVE_KILLS=5 does more of both.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { positionOfEventId } from '#serving/subscriptions/event-ids.ts'
import { PlatformProcess } from '../crash/platform-process.ts'
import type { LiveRow, ReceivedEvent } from '../event-stream-client.ts'
import { chromiumVersion, openChromium } from '../servers/chromium.ts'
import { mustRun } from '../servers/must-run.ts'
import { until } from '../until.ts'
import { ReturningReader, type Stretch } from './returning-reader.ts'
import { KINDS, PARTITIONS, ShopEvents, ShopLog } from './shop-log.ts'

const READERS = Number(process.env.LIVE_READERS ?? 200)
const KILLS = Number(process.env.LIVE_KILLS ?? 2)
const SEND_PAUSE_MS = 40
/** before the next kill, each reader has so many events of the process */
const EVENTS_PER_LIFE = 4
const BROWSER_EVENTS_PER_LIFE = 2
/** these lose their connection by themselves, too */
const DROPPED_EVERY = 10

const SETTINGS = {
  partitions: PARTITIONS,
  flushEveryMs: 100,
  segmentAgeMsMax: 700,
  batchIncrementalCron: '*/3 * * * * *',
  liveReadersMax: 5_000,
  liveReadersPerClientMax: 5_000,
  connectionsMax: 6_000,
}

interface Followed {
  readonly parameters: string
  readonly by: readonly ('kind' | 'page')[]
  readonly kind: string | null
}

const QUERIES: readonly Followed[] = [
  { parameters: '', by: ['kind', 'page'], kind: null },
  { parameters: 'dimensions=kind', by: ['kind'], kind: null },
  { parameters: 'dimensions=page', by: ['page'], kind: null },
  ...KINDS.map((kind) => ({ parameters: `filter=kind:eq:${kind}`, by: ['kind', 'page'] as const, kind })),
]

/** The program of docs/reference/live.md, word by word, and what the test reads of it. */
const BROWSER_PROGRAM = `${/```js\n([\s\S]*?)```/.exec(readFileSync('docs/reference/live.md', 'utf8'))![1]}
globalThis.seen = []
for (const name of ['answer', 'change'])
  events.addEventListener(name, ({ type, lastEventId }) => seen.push({ event: type, id: lastEventId, rows }))`

interface Seen {
  readonly event: string
  readonly id: string
  readonly rows: readonly LiveRow[]
}

let folder: string
let platform: PlatformProcess
let address: string
let life = 1
let browser: Browser | null = null
let page: Page | null = null
let log: ShopLog
let readers: readonly { readonly query: Followed; readonly reader: ReturningReader }[] = []
let inBrowser: readonly Seen[] = []

function start(port: string): PlatformProcess {
  const settings = Object.entries(SETTINGS).flatMap(([name, value]) => ['--set', `${name}=${value}`])
  const dataset = join(import.meta.dirname, 'shop.ts')
  return new PlatformProcess({
    arguments: ['--no-demo', '--log-level', 'warn', '--port', port, '--dataset', dataset, ...settings],
    environment: { WATERSHED_DATA: folder },
  })
}

const seenInBrowser = async (): Promise<readonly Seen[]> => (await page?.evaluate('seen')) as Seen[]

async function openBrowser(): Promise<void> {
  if (chromiumVersion() === null && !mustRun()) return
  browser = await openChromium()
  page = await browser.newPage({ bypassCSP: true })
  await page.goto(`${address}/livez`)
  await page.evaluate(BROWSER_PROGRAM)
}

/** Sends events until all readers have got some of this process, and loses some connections meanwhile. */
async function feedLife(events: ShopEvents): Promise<void> {
  const before = page === null ? 0 : (await seenInBrowser()).length
  const dropped = new Set<ReturningReader>()
  const isServed = async (): Promise<boolean> => {
    await events.send(address)
    await sleep(SEND_PAUSE_MS)
    for (const { reader } of readers.filter((_, at) => at % DROPPED_EVERY === 0)) {
      if (dropped.has(reader) || reader.eventsNow < EVENTS_PER_LIFE / 2) continue
      dropped.add(reader)
      reader.drop()
    }
    if (!readers.every(({ reader }) => reader.isOpen && reader.eventsNow >= EVENTS_PER_LIFE)) return false
    return page === null || (await seenInBrowser()).length >= before + BROWSER_EVENTS_PER_LIFE
  }
  await until(`all readers follow process ${life}`, isServed, {
    said: () => platform.said,
    futile: () => !platform.alive,
  })
}

const isAt = (id: string | undefined, ends: readonly number[]): boolean =>
  id !== undefined && ends.every((end, partition) => positionOfEventId(id)!.get(partition) === end)

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'watershed-live-readers-'))
  platform = start('0')
  address = await platform.address
  const events = new ShopEvents()
  readers = Array.from({ length: READERS }, (_, at) => {
    const query = QUERIES[at % QUERIES.length]!
    const url = `${address}/v1/datasets/shop/views/by_kind/live?${query.parameters}`
    return { query, reader: new ReturningReader(url, () => life) }
  })
  await openBrowser()
  while (life <= KILLS) {
    await feedLife(events)
    await platform.kill()
    life++
    platform = start(new URL(address).port)
    await platform.address
  }
  await feedLife(events)
  log = await ShopLog.read(folder)
  await until('all readers have the last event', () => readers.every(({ reader }) => isAt(reader.last?.id, log.ends)))
  if (page !== null) {
    await until('the browser has it', async () => isAt((await seenInBrowser()).at(-1)?.id, log.ends))
    inBrowser = await seenInBrowser()
  }
}, 180_000)
afterAll(async () => {
  await Promise.all(readers.map(({ reader }) => reader.close()))
  await browser?.close()
  await platform.kill()
  rmSync(folder, { recursive: true, force: true })
})

/** Events that leave the reader with an answer. */
const answersOf = ({ events }: Stretch): readonly ReceivedEvent[] => events.filter(({ id }) => id !== undefined)

const textOf = (rows: readonly LiveRow[]): string =>
  rows
    .map((row) => JSON.stringify(row))
    .sort()
    .join('\n')

const positionAt = (id: string): readonly number[] => [...positionOfEventId(id)!.values()]

test('every answer that a reader ever had is the recount at its position', () => {
  const recounts = new Map<string, string>()
  const recount = ({ by, kind, parameters }: Followed, id: string): string => {
    const key = `${parameters} ${id.split('/')[0]}`
    const text = recounts.get(key) ?? log.rowsAt(positionAt(id), by, kind).join('\n')
    recounts.set(key, text)
    return text
  }
  let answers = 0
  for (const { query, reader } of readers) {
    for (const { id, event, rows } of reader.stretches.flatMap(answersOf)) {
      answers++
      expect(textOf(rows), `${query.parameters}: ${event} ${id}`).toBe(recount(query, id!))
    }
  }
  expect(answers).toBeGreaterThanOrEqual(READERS * EVENTS_PER_LIFE * KILLS)
})

test('no reader goes back, and none has a change twice', () => {
  for (const { reader } of readers) {
    const all = reader.stretches.flatMap(answersOf)
    for (const [at, { id, data }] of all.entries()) {
      const before = all[at - 1]
      if (before === undefined) continue
      const [from, to] = [positionAt(before.id!), positionAt(id!)]
      expect(
        to.every((offset, partition) => offset >= from[partition]!),
        `${before.id} then ${id}`,
      ).toBe(true)
      const hasRows = Object.keys(data as object).some((name) =>
        ['added', 'changed', 'removed', 'moved'].includes(name),
      )
      if (hasRows) expect(to).not.toEqual(from)
    }
  }
})

test('within the life of a process, all readers of a query go the same way, also those that came back', () => {
  const next = new Map<string, string>()
  let returns = 0
  for (const { query, reader } of readers) {
    for (let own = 1; own <= life; own++) {
      const all = reader.stretches.filter((stretch) => stretch.life === own).map(answersOf)
      for (const [first] of all.filter((events) => events.length > 0).slice(1)) {
        returns++
        expect(first!.event, 'what it missed, not a whole answer').toBe('change')
      }
      const ids = all.flat().map(({ id }) => id!)
      for (const [at, id] of ids.entries()) {
        if (at === 0 || ids[at - 1] === id) continue
        const step = `${query.parameters} ${own} ${ids[at - 1]}`
        expect(next.get(step) ?? id, `after ${step}`).toBe(id)
        next.set(step, id)
      }
    }
  }
  expect(returns).toBeGreaterThanOrEqual(Math.floor(READERS / DROPPED_EVERY))
})

test('an EventSource of a browser has seen the same, and has the same now', ({ skip }) => {
  if (page === null) skip('there is no Chromium')
  // A process that starts at the position which the browser has tells it so by a change.
  expect(inBrowser[0]!.event).toBe('answer')
  expect(inBrowser.length).toBeGreaterThanOrEqual((KILLS + 1) * BROWSER_EVENTS_PER_LIFE)
  for (const { id, rows } of inBrowser)
    expect(textOf(rows), id).toBe(log.rowsAt(positionAt(id), ['kind', 'page'], null).join('\n'))
  const positions = inBrowser.map(({ id }) => positionAt(id))
  for (const [at, position] of positions.entries())
    expect(position.every((offset, partition) => offset >= (positions[at - 1]?.[partition] ?? 0))).toBe(true)
  expect(positions.at(-1)).toEqual(log.ends)
})
