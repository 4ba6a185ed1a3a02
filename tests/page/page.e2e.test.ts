/** The page in a real Chromium: its numbers against a count of the events, its states, its accessibility, and what it asks of the network. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AxeResults } from 'axe-core'
import type { Browser, Page, Route } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SHIPPED_DATASETS } from '#datasets/shipped.ts'
import { PlatformProcess } from '../crash/platform-process.ts'
import { chromiumVersion, openChromium } from '../servers/chromium.ts'
import { mustRun } from '../servers/must-run.ts'
import { SCREENSHOT_BYTES_MAX, SCREENSHOT_FILE, SCREENSHOT_SIZE, takeScreenshot } from './screenshot.ts'
import { EMPTY, FOREIGN, posts, shownEvents } from './shown-events.ts'

const SHOWN_MS_MAX = 60_000
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const NAMES = Object.keys(SHIPPED_DATASETS)
/** with a table of so many rows */
const MANY = 'parcels'
const PARCELS = 100_000
/** a page of a table and everything around it; a table of all rows would have half a million */
const ELEMENTS_MAX = 3_000
const DEFINITIONS = [FOREIGN, MANY].map((name) => join(import.meta.dirname, `${name}.ts`))

interface Rsvp {
  readonly mtime: number
  readonly group: { readonly group_city: string }
}

const from = Date.now()
const LINES = await shownEvents(from)

/** Their weights are a permutation of 0 … 99,999, so that every order has one answer. */
const gramsOf = (n: number): number => (n * 7_919) % PARCELS
const parcels = Array.from({ length: PARCELS }, (_, n) =>
  JSON.stringify({ at: from - PARCELS + n, parcel: `P${n}`, grams: gramsOf(n), fragile: n % 2 === 0 }),
)
const PHONE = { width: 390, height: 800 } as const
const PARCELS_AT_ONCE = 25_000

describe.skipIf(chromiumVersion() === null && !mustRun())('the page', () => {
  let data: string
  let platform: PlatformProcess
  let address: string
  let browser: Browser
  let page: Page
  const faults: string[] = []
  const elsewhere: string[] = []

  const start = (port: string): PlatformProcess =>
    new PlatformProcess({
      // No request leaves this machine.
      arguments: [
        '--no-demo',
        '--set',
        'sources=false',
        '--port',
        port,
        ...[...NAMES, ...DEFINITIONS].flatMap((name) => ['--dataset', name]),
      ],
      environment: { WATERSHED_DATA: data, WATERSHED_PARTITIONS: '1' },
    })
  const open = async (path: string): Promise<void> => {
    await page.goto(`${address}${path}`)
    await page.waitForSelector('h1')
  }
  const send = async (dataset: string, lines: readonly string[]): Promise<void> => {
    const reply = await fetch(`${address}/v1/datasets/${dataset}/events`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson' },
      body: lines.join('\n'),
    })
    expect(reply.status).toBe(202)
  }
  const settled = (): Promise<void> =>
    expect.poll(() => page.locator('.state.loading').count(), { timeout: SHOWN_MS_MAX }).toBe(0)

  /** What axe finds on the page as it is. */
  const seriousFaults = async (): Promise<string[]> => {
    const { violations } = (await page.evaluate(`(() => { ${AXE}; return axe.run() })()`)) as AxeResults
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' | ')}`.slice(0, 500))
  }

  beforeAll(async () => {
    data = mkdtempSync(join(tmpdir(), 'watershed-page-'))
    platform = start('0')
    address = await platform.address
    for (const [name, lines] of Object.entries(LINES)) await send(name, lines)
    for (let n = 0; n < PARCELS; n += PARCELS_AT_ONCE) await send(MANY, parcels.slice(n, n + PARCELS_AT_ONCE))
    browser = await openChromium()
    page = await browser.newPage({ viewport: { width: 1400, height: 1000 }, locale: 'en-GB', timezoneId: 'UTC' })
    page.setDefaultTimeout(SHOWN_MS_MAX)
    page.on('pageerror', (error) => faults.push(error.stack ?? error.message))
    page.on('console', (message) => {
      if (message.type() === 'error') faults.push(message.text())
    })
    page.on('request', (request) => {
      if (!request.url().startsWith(address)) elsewhere.push(request.url())
    })
  }, 120_000)
  afterAll(async () => {
    await browser?.close()
    await platform?.kill()
    rmSync(data, { recursive: true, force: true })
  })

  test('a ranking shows what a count of the events gives', async () => {
    const counts = new Map<string, number>()
    for (const line of LINES.meetup_rsvps!) {
      const { group } = JSON.parse(line) as Rsvp
      counts.set(group.group_city, (counts.get(group.group_city) ?? 0) + 1)
    }
    const most = [...counts.values()].sort((a, b) => b - a).slice(0, 5)
    await open('/datasets/meetup_rsvps')
    await page.getByRole('heading', { name: 'Top 5 cities' }).scrollIntoViewIfNeeded()
    const ranking = page.locator('section.panel', {
      has: page.getByRole('heading', { name: 'Top 5 cities', exact: true }),
    })
    await expect
      .poll(() => ranking.locator('.value').allTextContents(), { timeout: SHOWN_MS_MAX })
      .toEqual(most.map(String))
    for (const item of await ranking.locator('.ranking li').all())
      expect(counts.get((await item.getAttribute('data-key'))!)).toBe(
        Number(await item.locator('.value').textContent()),
      )
  })

  test('a table searches and pages through all rows, with the numbers of a count, and exports them', async () => {
    const counts = Map.groupBy(LINES.meetup_rsvps!, (line) => (JSON.parse(line) as Rsvp).group.group_city)
    await open('/datasets/meetup_rsvps')
    const table = page.locator('section.panel', { has: page.getByRole('heading', { name: 'Cities', exact: true }) })
    await page.locator('.shows-table').first().scrollIntoViewIfNeeded()
    const shown = new Map<string, number>()
    const next = table.getByRole('button', { name: 'Next' })
    for (let number = 1; ; number++) {
      await table.getByText(`Page ${number}`, { exact: true }).waitFor()
      await expect.poll(() => table.getAttribute('aria-busy')).toBe('false')
      for (const row of await table.locator('tbody tr').all()) {
        const [city, , responses] = await row.locator('td').allTextContents()
        shown.set(city!, (shown.get(city!) ?? 0) + Number(responses))
      }
      if (await next.isDisabled()) break
      await next.click()
    }
    expect(shown).toEqual(new Map([...counts].map(([city, lines]) => [city, lines.length])))
    await table.getByRole('searchbox').fill('LONDO')
    await expect.poll(() => table.locator('tbody td:first-child').allTextContents()).toEqual(['London'])
    await table.locator('summary', { hasText: 'Export' }).click()
    const path = await table.getByRole('link', { name: 'CSV' }).getAttribute('href')
    const csv = await (await fetch(`${address}${path}`)).text()
    expect(csv.trim().split(/\r?\n/)).toHaveLength(2)
    expect(csv).toContain(`London`)
  })

  test('a table of 100,000 rows is searched, sorted and paged, and is never on the page as a whole', async () => {
    const counted = async (): Promise<unknown> =>
      (await fetch(`${address}/v1/datasets/${MANY}/views/parcels?dimensions=&measures=scans`)).json()
    await expect.poll(counted, { timeout: SHOWN_MS_MAX }).toMatchObject({ data: [{ scans: PARCELS }] })
    await open(`/datasets/${MANY}`)
    const table = page.locator('section.panel', { has: page.locator('.table') })
    const column = (nth: number) => table.locator(`tbody td:nth-child(${nth})`).allTextContents()
    const heaviest = parcels.map((_, n) => n).toSorted((a, b) => gramsOf(b) - gramsOf(a))
    const shows = (order: readonly number[]): Promise<void> =>
      expect.poll(() => column(1), { timeout: SHOWN_MS_MAX }).toEqual(order.map((n) => `P${n}`))
    const elements = () => page.evaluate<number>('document.querySelectorAll("*").length')
    await shows(heaviest.slice(0, 25))
    expect((await column(2))[0]).toBe(heaviest[0]! % 2 === 0 ? 'Yes' : 'No')
    expect(await elements()).toBeLessThan(ELEMENTS_MAX)
    await table.getByRole('button', { name: 'Next' }).click()
    await shows(heaviest.slice(25, 50))
    await table.getByRole('button', { name: 'Next' }).click()
    await shows(heaviest.slice(50, 75))
    await table.getByRole('button', { name: 'Previous' }).click()
    await shows(heaviest.slice(25, 50))
    await table.getByRole('button', { name: 'Grams' }).click()
    await shows(heaviest.toReversed().slice(0, 25))
    await table.getByRole('searchbox').fill('p99998')
    await shows([99_998])
    expect(await elements()).toBeLessThan(ELEMENTS_MAX)
  })

  test('the page is used by keyboard: its content is one key away, and a group is chosen', async () => {
    await open(`/datasets/${FOREIGN}`)
    const group = page.locator('.ranking li button').first()
    await group.waitFor()
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    expect(await page.evaluate('document.activeElement.id')).toBe('content')
    await group.focus()
    await page.keyboard.press('Enter')
    await expect.poll(() => group.getAttribute('aria-pressed')).toBe('true')
    const name = await group.locator('.name').textContent()
    await page.getByRole('button', { name: `Page: ${name}`, exact: false }).press('Enter')
    await expect.poll(() => group.getAttribute('aria-pressed')).toBe('false')
  })

  test('a chosen period is compared with the one before', async () => {
    await open('/datasets/meetup_rsvps?range=1h&compare=previous')
    const numbers = page.locator('section.panel', { has: page.getByRole('heading', { name: 'Answers', exact: true }) })
    const responses = numbers.locator('dd').first()
    await expect.poll(() => responses.textContent(), { timeout: SHOWN_MS_MAX }).toContain('from')
    const [, now, before] = /^(\d+).* from (\d+)$/.exec((await responses.textContent())!)!
    const twoHours = LINES.meetup_rsvps!.filter((line) => (JSON.parse(line) as Rsvp).mtime >= Date.now() - 7_200_000)
    expect(Number(now) + Number(before)).toBe(twoHours.length)
    expect(await page.locator('.state.fault').allTextContents()).toEqual([])
  })

  test('a view with a window is shown window by window, as values or as places', async () => {
    await open('/datasets/flights')
    await page.getByRole('heading', { name: 'Airports and routes', exact: true }).scrollIntoViewIfNeeded()
    const panel = page.locator('section.panel', {
      has: page.getByRole('heading', { name: 'Late departures over time', exact: true }),
    })
    await panel.getByRole('img', { name: 'Late departures over time: Late of each window' }).waitFor()
    await panel.getByLabel('Show').selectOption('places')
    await panel.locator('canvas').waitFor()
    await panel.locator('summary', { hasText: 'Export' }).click()
    const path = (await panel.getByRole('link', { name: 'Open the answer' }).getAttribute('href'))!
    const { data } = (await (await fetch(`${address}${path}`)).json()) as {
      data: { window_end: string; late: number }[]
    }
    expect(data.length).toBeGreaterThan(0)
    for (const [end, rows] of Map.groupBy(data, ({ window_end }) => window_end)) {
      const { searchParams } = new URL(path, address)
      for (const name of ['from', 'to', 'every']) searchParams.delete(name)
      const alone = await fetch(`${address}${path.split('?')[0]}?${searchParams}&at=${end}`)
      const shown = (await alone.json()) as { data: object[] }
      expect(shown.data.map((row) => ({ window_end: end, ...row }))).toEqual(rows)
    }
  })

  test('a number says where it comes from, when it is pointed at and when it is focused', async () => {
    await open('/datasets/meetup_rsvps?range=1h')
    const ranking = page.locator('section.panel', {
      has: page.getByRole('heading', { name: 'Top 5 cities', exact: true }),
    })
    const tip = page.getByRole('tooltip')
    const says = /exact, nothing missing\n.*600 live events, up to 600/s
    await ranking.locator('li button').first().hover()
    await expect.poll(() => tip.textContent()).toMatch(says)
    await page.keyboard.press('Escape')
    await tip.waitFor({ state: 'hidden' })
    await ranking.getByRole('combobox').focus()
    await page.keyboard.press('Tab')
    await expect.poll(() => tip.textContent()).toMatch(says)
    expect(await page.evaluate('document.activeElement.getAttribute("aria-describedby")')).toBe('tip')
    await ranking.locator('footer button.tag').click()
    await expect.poll(() => ranking.locator('.provenance').textContent()).toContain('Boundary')
  })

  test('a panel whose question is refused says why and what to do, and goes on afterwards', async () => {
    await open(`/datasets/${FOREIGN}`)
    await settled()
    const title = 'Too many requests in progress'
    const refuse = (route: Route): Promise<void> =>
      route.fulfill({ status: 503, json: { title, status: 503, detail: 'wait a second', retryable: true } })
    await page.route(/\/views\/|\/v1\/live/, refuse)
    const faulty = page.locator('.state.fault')
    try {
      await page.getByRole('combobox', { name: 'Time', exact: true }).selectOption('24h')
      await expect.poll(() => faulty.first().textContent(), { timeout: SHOWN_MS_MAX }).toContain('wait a second')
      expect(await page.locator('.connection').textContent()).toBe('live')
    } finally {
      await page.unrouteAll({ behavior: 'ignoreErrors' })
    }
    await faulty.first().getByRole('button', { name: 'Try again now' }).click()
    await expect.poll(() => faulty.count(), { timeout: SHOWN_MS_MAX }).toBe(0)
    // The browser itself writes each refused request to the console.
    expect(faults.splice(0).filter((text) => !text.includes('503'))).toEqual([])
  })

  test.each([...NAMES, FOREIGN])(
    '%s: every panel is there, or says why it has nothing to show, and is accessible',
    async (name) => {
      await open(`/datasets/${name}`)
      // A panel asks for its numbers when it is scrolled to.
      for (const heading of await page.locator('h2').all()) {
        await heading.scrollIntoViewIfNeeded()
        await settled()
      }
      expect(await page.locator('section.panel').count()).toBeGreaterThan(0)
      expect(await page.locator('.state.fault').allTextContents()).toEqual([])
      const isEmpty = page.locator('.state', { hasText: 'No events yet' })
      const filled = (): Promise<number> => page.locator('section.panel').filter({ hasNot: isEmpty }).count()
      if (name === EMPTY) await expect.poll(filled, { timeout: SHOWN_MS_MAX }).toBe(0)
      else expect(await isEmpty.count()).toBe(0)
      expect(await seriousFaults()).toEqual([])
    },
  )

  test('a page without events is filled as they come', async () => {
    await open(`/datasets/${EMPTY}`)
    await page.getByText('No events yet').first().waitFor()
    await send(EMPTY, posts(Date.now()))
    await expect
      .poll(() => page.locator('.ranking .name').allTextContents(), { timeout: SHOWN_MS_MAX })
      .toContain('#morning')
    await expect.poll(() => page.getByText('No events yet').count(), { timeout: SHOWN_MS_MAX }).toBe(0)
  })

  test('the overview has each dataset with its way from source to answer', async () => {
    await open('/')
    await settled()
    for (const name of [...NAMES, FOREIGN])
      await expect.poll(() => page.locator(`a[href="/datasets/${name}"]`).count()).toBeGreaterThan(0)
    await expect.poll(() => page.locator('main').textContent()).toMatch(/600 events counted, as of [\d.]+ secs? ago/)
    expect(await seriousFaults()).toEqual([])
  })

  test('in dark colours and on a phone nothing is serious, either, and nothing scrolls sideways', async () => {
    const size = page.viewportSize()!
    await page.emulateMedia({ colorScheme: 'dark' })
    await page.setViewportSize(PHONE)
    for (const path of ['/', '/datasets/stock_quotes']) {
      await open(path)
      await settled()
      expect(await page.evaluate('document.documentElement.dataset.theme')).toBe('dark')
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(PHONE.width)
      expect(await seriousFaults()).toEqual([])
    }
    await page.emulateMedia({ colorScheme: null })
    await page.setViewportSize(size)
  })

  test('the overview says so where answers cannot be given', async () => {
    const unknown = { partitions: null, rows: null, lateRows: null, deadLetters: { total: null, reasons: null } }
    const known = (await (await fetch(`${address}/v1/datasets/${FOREIGN}/health`)).json()) as object
    await page.route('**/health', (route) => route.fulfill({ json: { ...known, ...unknown } }))
    await open('/')
    await expect.poll(() => page.locator('main').textContent()).toContain('answers cannot be given now')
    expect(faults).toEqual([])
    await page.unrouteAll({ behavior: 'ignoreErrors' })
  })

  test('seven tabs follow new events over a few connections, and nobody asks for what is followed', async () => {
    const visitor = await browser.newContext({ locale: 'en-GB' })
    const tabs = await Promise.all(Array.from({ length: 7 }, () => visitor.newPage()))
    const asked = tabs.map((tab) => {
      const urls: string[] = []
      tab.on('request', (request) => urls.push(new URL(request.url()).pathname))
      return urls
    })
    await Promise.all(tabs.map((tab) => tab.goto(`${address}/datasets/${FOREIGN}`)))
    const total = (tab: Page) => tab.locator('section.panel .ranking .value').first().textContent()
    for (const tab of tabs) await expect.poll(() => total(tab), { timeout: SHOWN_MS_MAX }).toBe('23')
    await send(FOREIGN, [JSON.stringify({ at: Date.now(), page: '/0', ms: 1, browser: 'b1' })])
    for (const tab of tabs) await expect.poll(() => total(tab), { timeout: SHOWN_MS_MAX }).toBe('24')
    const streaming = asked.filter((urls) => urls.includes('/v1/live'))
    expect(streaming.length).toBe(3)
    for (const urls of streaming) expect(urls.filter((url) => url.includes('/views/'))).toEqual([])
    await visitor.close()
  })

  test('the picture of the README can be made anew, and is small', async () => {
    const sizeOf = (png: Buffer) => ({ width: png.readUInt32BE(16), height: png.readUInt32BE(20) })
    for (const png of [await takeScreenshot(browser, address), readFileSync(SCREENSHOT_FILE)]) {
      expect(png.subarray(1, 4).toString()).toBe('PNG')
      expect(sizeOf(png)).toEqual(SCREENSHOT_SIZE)
      expect(png.length).toBeLessThan(SCREENSHOT_BYTES_MAX)
    }
    expect(readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8')).toContain('(docs/images/live-page.png)')
  })

  test('nothing was asked of another host, and nothing was written to the console as an error', () => {
    expect(elsewhere).toEqual([])
    expect(faults).toEqual([])
  })

  test('a server that is gone is said so beside the last numbers, and followed again when it is back', async () => {
    await open('/datasets/meetup_rsvps')
    await settled()
    await platform.kill()
    await expect.poll(() => page.getByText('no connection').count(), { timeout: SHOWN_MS_MAX }).toBeGreaterThan(0)
    expect(await page.locator('.ranking .value').count()).toBeGreaterThan(0)
    platform = start(new URL(address).port)
    await platform.address
    await expect.poll(() => page.locator('.connection').textContent(), { timeout: SHOWN_MS_MAX }).toBe('live')
    await expect.poll(() => page.locator('.state.fault').count(), { timeout: SHOWN_MS_MAX }).toBe(0)
  })
})
