/** What all tests of the page share: one platform with every shipped dataset, and one tab of a real Chromium. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AxeResults } from 'axe-core'
import type { Browser, Page } from 'playwright-core'
import { expect } from 'vitest'
import { SHIPPED_DATASETS } from '#datasets/shipped.ts'
import { PlatformProcess } from '../crash/platform-process.ts'
import { openChromium } from '../servers/chromium.ts'
import { DRAFTED, draftWeather } from './drafted-weather.ts'
import { FOREIGN, shownEvents } from './shown-events.ts'

export const SHOWN_MS_MAX = 60_000
export const NAMES = Object.keys(SHIPPED_DATASETS)
/** with a table of so many rows */
export const MANY = 'parcels'
export const PARCELS = 100_000

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const OWN = [FOREIGN, MANY].map((name): [string, string] => [name, join(import.meta.dirname, `${name}.ts`)])
const PARCELS_AT_ONCE = 25_000

/** Their weights are a permutation of 0 … 99,999, so that every order has one answer. */
export const gramsOf = (n: number): number => (n * 7_919) % PARCELS

export class PageSite {
  readonly browser: Browser
  readonly page: Page
  readonly address: string
  /** dataset → the events that it has at first */
  readonly lines: Readonly<Record<string, readonly string[]>>
  /** what the page wrote to the console as an error, or threw */
  readonly faults: string[] = []
  /** requests to another host */
  readonly elsewhere: string[] = []
  /** dataset → its definition, as a value of --dataset */
  readonly definitions: ReadonlyMap<string, string>
  /** dataset → what is imported for its definition */
  readonly modules: ReadonlyMap<string, string>
  readonly #folder: string
  #platform: PlatformProcess

  private constructor(
    parts: Pick<PageSite, 'browser' | 'page' | 'address' | 'lines' | 'definitions' | 'modules'>,
    folder: string,
    platform: PlatformProcess,
  ) {
    this.browser = parts.browser
    this.page = parts.page
    this.address = parts.address
    this.lines = parts.lines
    this.definitions = parts.definitions
    this.modules = parts.modules
    this.#folder = folder
    this.#platform = platform
    this.page.on('pageerror', (error) => this.faults.push(error.stack ?? error.message))
    this.page.on('console', (message) => {
      if (message.type() === 'error') this.faults.push(message.text())
    })
    this.page.on('request', (request) => {
      if (!request.url().startsWith(this.address)) this.elsewhere.push(request.url())
    })
  }

  static async start(): Promise<PageSite> {
    const from = Date.now()
    const folder = mkdtempSync(join(tmpdir(), 'watershed-page-'))
    const [weather, shown, browser] = await Promise.all([draftWeather(folder), shownEvents(from), openChromium()])
    const definitions = new Map([...NAMES.map((name): [string, string] => [name, name]), ...OWN])
    definitions.set(DRAFTED, weather.definition)
    const modules = new Map([...definitions, [DRAFTED, weather.here] as const])
    const lines = { ...shown, [DRAFTED]: weather.lines }
    const platform = startPlatform(folder, '0', definitions)
    const address = await platform.address
    const page = await browser.newPage({ viewport: { width: 1400, height: 1000 }, locale: 'en-GB', timezoneId: 'UTC' })
    page.setDefaultTimeout(SHOWN_MS_MAX)
    const site = new PageSite({ browser, page, address, lines, definitions, modules }, folder, platform)
    for (const [name, events] of Object.entries(lines)) await site.send(name, events)
    const parcels = Array.from({ length: PARCELS }, (_, n) =>
      JSON.stringify({ at: from - PARCELS + n, parcel: `P${n}`, grams: gramsOf(n), fragile: n % 2 === 0 }),
    )
    for (let n = 0; n < PARCELS; n += PARCELS_AT_ONCE) await site.send(MANY, parcels.slice(n, n + PARCELS_AT_ONCE))
    return site
  }

  async open(path: string): Promise<void> {
    await this.page.goto(`${this.address}${path}`)
    await this.page.waitForSelector('h1')
  }

  async send(dataset: string, lines: readonly string[]): Promise<void> {
    const reply = await fetch(`${this.address}/v1/datasets/${dataset}/events`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson' },
      body: lines.join('\n'),
    })
    expect(reply.status).toBe(202)
  }

  /** Every panel that has been scrolled to has its numbers, or says why not. */
  async settled(): Promise<void> {
    await expect.poll(() => this.page.locator('.state.loading').count(), { timeout: SHOWN_MS_MAX }).toBe(0)
  }

  /** What axe finds on the page as it is. */
  async seriousFaults(): Promise<string[]> {
    const { violations } = (await this.page.evaluate(`(() => { ${AXE}; return axe.run() })()`)) as AxeResults
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' | ')}`.slice(0, 500))
  }

  async killPlatform(): Promise<void> {
    await this.#platform.kill()
  }

  /** At the same address, with the same data. */
  async startAgain(): Promise<void> {
    this.#platform = startPlatform(this.#folder, new URL(this.address).port, this.definitions)
    await this.#platform.address
  }

  async close(): Promise<void> {
    await this.browser.close()
    await this.killPlatform()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

function startPlatform(folder: string, port: string, definitions: ReadonlyMap<string, string>): PlatformProcess {
  const datasets = [...definitions.values()].flatMap((definition) => ['--dataset', definition])
  return new PlatformProcess({
    // No request leaves this machine.
    arguments: ['--no-demo', '--set', 'sources=false', '--port', port, ...datasets],
    environment: { WATERSHED_DATA: join(folder, 'data'), WATERSHED_PARTITIONS: '1' },
  })
}
