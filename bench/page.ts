/**
 * The live page in a real Chromium: how soon it shows something and what it loads before, at the pace of the demo and while 1,000 events a
 * second arrive, and what ten open pages cost the server, the browser and ingestion then.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type BrowserContext, chromium } from 'playwright-core'
import { serveChromium } from '#tests/servers/chromium.ts'
import { until } from '#tests/until.ts'
import { Feed } from './serving/feeding.ts'
import { withFolder } from './serving/prepared-folder.ts'
import { cpuSeconds } from './serving/process-usage.ts'
import { ServerProcess } from './serving/server-process.ts'

const PAGE = '/datasets/meetup_rsvps'
const EVENTS_PER_SECOND = 1_000
/** as `npm start` generates them */
const DEMO_PER_SECOND = 50
const PAGES = 10
const OPENINGS = 5
/** after a page was closed the browser is still busy with it */
const REST_MS = 1_500
/** nobody has asked for what the page shows: its views are not followed any more (`hotMs`) */
const UNASKED_MS = 12_000
/** different filters, so that no answer is known either */
const UNASKED = ['us', 'gb', 'de', 'fr', 'es'].map((country) => `${PAGE}?f.country=${country}`)
const SETTLE_MS = 4_000
const MEASURED_MS = 10_000
const SHOWN_MS_MAX = 120_000
/** the browser has to work for each look */
const SHOWN = { withinMs: SHOWN_MS_MAX, everyMs: 250 }
/** when the first numbers and the first chart are painted, as the page itself sees it: a busy test program sees it later */
const MARKS = `
  const marks = { numbers: '.ranking .value, .tiles dd', chart: '.chart canvas' }
  new MutationObserver((_, watch) => {
    for (const [name, selector] of Object.entries(marks)) {
      if (document.querySelector(selector) === null) continue
      delete marks[name]
      requestAnimationFrame(() => setTimeout(() => performance.mark(name)))
    }
    if (Object.keys(marks).length === 0) watch.disconnect()
  }).observe(document, { childList: true, subtree: true })`
/** tabs that get no seat for a stream ask every two seconds, as all did before there were streams */
const NO_SEATS = 'navigator.locks.request = (_name, _options, take) => Promise.resolve(take(null))'

interface Shown {
  readonly contentMs: number
  readonly numbersMs: number
  readonly chartMs: number
  readonly scriptBytes: number
}

export function page(): Promise<Record<string, number>> {
  return withFolder(async (folder) => {
    const server = await ServerProcess.start({ folder })
    const served = await serveChromium()
    const browser = await chromium.connect(served.wsEndpoint())
    const browserPid = served.process().pid!
    const newContext = async (): Promise<BrowserContext> => {
      const context = await browser.newContext({ viewport: { width: 1400, height: 1000 } })
      context.setDefaultTimeout(SHOWN_MS_MAX)
      return context
    }
    try {
      const demo = await Feed.start({ url: server.url, dataset: 'meetup_rsvps', perSecond: DEMO_PER_SECOND }, null)
      await sleep(SETTLE_MS)
      const paths = Array.from({ length: OPENINGS }, () => `${server.url}${PAGE}`)
      const atDemoPace = await openings(newContext, paths, REST_MS)
      const again = await openingsAgain(newContext, `${server.url}${PAGE}`)
      await demo.stop()
      const feed = await Feed.start({ url: server.url, dataset: 'meetup_rsvps', perSecond: EVENTS_PER_SECOND }, null)
      await sleep(SETTLE_MS)
      // Views that were asked for are followed for a while: before any page.
      const alone = await usage(server, browserPid)
      const first = await openings(newContext, paths, REST_MS)
      const unasked = await openings(
        newContext,
        UNASKED.map((path) => `${server.url}${path}`),
        UNASKED_MS,
      )
      const followed = await withPages(newContext, server, browserPid, null)
      const polled = await withPages(newContext, server, browserPid, NO_SEATS)
      const fed = await feed.stop()
      return {
        ...first,
        demoFirstContentfulPaintMs: atDemoPace.firstContentfulPaintMs!,
        demoFirstNumbersMs: atDemoPace.firstNumbersMs!,
        demoFirstChartMs: atDemoPace.firstChartMs!,
        demoAgainFirstNumbersMs: again.firstNumbersMs!,
        demoAgainFirstChartMs: again.firstChartMs!,
        unaskedFirstNumbersMs: unasked.firstNumbersMs!,
        unaskedFirstChartMs: unasked.firstChartMs!,
        unwatchedServerCores: alone.server,
        tenPagesServerCores: followed.server,
        tenPagesBrowserCores: followed.browser,
        tenPagesRequestsPerSecond: followed.requests,
        tenPollingPagesServerCores: polled.server,
        tenPollingPagesBrowserCores: polled.browser,
        tenPollingPagesRequestsPerSecond: polled.requests,
        eventsPerSecond: (fed.events - fed.refused) / fed.seconds,
        refusedEvents: fed.refused,
        tenPagesBehind: followed.behind,
      }
    } finally {
      await browser.close()
      await served.close()
      await server.stop(true)
    }
  })
}

/** Medians of some openings, each with an empty cache. */
async function openings(
  newContext: () => Promise<BrowserContext>,
  urls: readonly string[],
  restMs: number,
): Promise<Record<string, number>> {
  const shown: Shown[] = []
  for (const url of urls) {
    await sleep(restMs)
    const context = await newContext()
    await context.addInitScript(MARKS)
    shown.push(await opening(context, url))
    await context.close()
  }
  return mediansOf(shown)
}

/** The same with the files in the browser's cache. */
async function openingsAgain(newContext: () => Promise<BrowserContext>, url: string): Promise<Record<string, number>> {
  const context = await newContext()
  await context.addInitScript(MARKS)
  await opening(context, url)
  const shown: Shown[] = []
  for (let n = 0; n < OPENINGS; n++) {
    await sleep(REST_MS)
    shown.push(await opening(context, url))
  }
  await context.close()
  return mediansOf(shown)
}

function mediansOf(shown: readonly Shown[]): Record<string, number> {
  const median = (of: (one: Shown) => number): number => shown.map(of).sort((a, b) => a - b)[shown.length >> 1]!
  return {
    firstContentfulPaintMs: median(({ contentMs }) => contentMs),
    firstNumbersMs: median(({ numbersMs }) => numbersMs),
    firstChartMs: median(({ chartMs }) => chartMs),
    scriptBytesBeforeCharts: median(({ scriptBytes }) => scriptBytes),
  }
}

async function opening(context: BrowserContext, url: string): Promise<Shown> {
  const tab = await context.newPage()
  await tab.goto(url, { waitUntil: 'commit' })
  // Asked from outside: the page's policy allows no texts to be evaluated in it.
  const isShown = `['numbers', 'chart'].every((name) => performance.getEntriesByName(name).length > 0)`
  await until('numbers and charts are shown', () => tab.evaluate<boolean>(isShown), SHOWN)
  const [contentMs, numbersMs, chartMs, scriptBytes] = await tab.evaluate<[number, number, number, number]>(`[
    performance.getEntriesByName('first-contentful-paint')[0].startTime,
    performance.getEntriesByName('numbers')[0].startTime,
    performance.getEntriesByName('chart')[0].startTime,
    performance.getEntriesByType('resource').filter(({ name }) => /main-.*js$/.test(name))
      .reduce((sum, { decodedBodySize }) => sum + decodedBodySize, 0),
  ]`)
  await tab.close()
  return { contentMs, numbersMs, chartMs, scriptBytes }
}

interface Used {
  /** cores */
  readonly server: number
  readonly browser: number
  readonly requests: number
  readonly behind: number
}

async function withPages(
  newContext: () => Promise<BrowserContext>,
  server: ServerProcess,
  browserPid: number,
  script: string | null,
): Promise<Used> {
  const context = await newContext()
  if (script !== null) await context.addInitScript(script)
  const tabs = await Promise.all(Array.from({ length: PAGES }, () => context.newPage()))
  await Promise.all(tabs.map((tab) => tab.goto(`${server.url}${PAGE}`)))
  await Promise.all(tabs.map((tab) => tab.locator('.ranking .value').first().waitFor()))
  await sleep(SETTLE_MS)
  const used = await usage(server, browserPid)
  await context.close()
  return used
}

async function usage(server: ServerProcess, browserPid: number): Promise<Used> {
  const [serverBefore, browserBefore, requestsBefore] = [server.cpuSeconds, cpuSeconds(browserPid), await asked(server)]
  const began = performance.now()
  await sleep(MEASURED_MS)
  const seconds = (performance.now() - began) / 1_000
  const { meta } = await server.answer('/v1/datasets/meetup_rsvps/views/responses_by_country?limit=1')
  return {
    server: (server.cpuSeconds - serverBefore) / seconds,
    browser: (cpuSeconds(browserPid) - browserBefore) / seconds,
    requests: ((await asked(server)) - requestsBefore) / seconds,
    behind: meta.behind ?? -1,
  }
}

/** GET requests of the page; events are posted. */
function asked(server: ServerProcess): Promise<number> {
  return server.metric('watershed_http_request_seconds_count', 'method="GET"')
}
