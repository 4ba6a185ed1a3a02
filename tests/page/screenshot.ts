/** The picture of the README: the page of the RSVPs as a visitor sees it. `npm run screenshot` makes it anew. */
import { fileURLToPath } from 'node:url'
import type { Browser } from 'playwright-core'
import { RsvpGenerator } from '#datasets/meetup-rsvps/rsvp-generator.ts'

export const SCREENSHOT_FILE = fileURLToPath(new URL('../../docs/images/live-page.png', import.meta.url))
export const SCREENSHOT_SIZE = { width: 1400, height: 1290 } as const
export const SCREENSHOT_BYTES_MAX = 300_000

/** what is shown without scrolling, at least */
const CHARTS_MIN = 3
const RANKED_MIN = 5
const SHOWN_MS_MAX = 60_000

/** RSVPs of the hours before, the same ones but for their times. */
export function shownRsvps(events: number, nowMs: number): string[] {
  const eventsPerSecond = 0.5
  const startMs = nowMs - (events / eventsPerSecond) * 1_000
  const generator = new RsvpGenerator({ seed: 7, startMs, eventsPerSecond, malformedShare: 0 })
  return Array.from({ length: events }, () => generator.next())
}

/** @returns a PNG */
export async function takeScreenshot(browser: Browser, address: string): Promise<Buffer> {
  const context = await browser.newContext({
    ...{ viewport: SCREENSHOT_SIZE, locale: 'en-GB', timezoneId: 'UTC', colorScheme: 'light' as const },
    reducedMotion: 'reduce',
  })
  try {
    const page = await context.newPage()
    page.setDefaultTimeout(SHOWN_MS_MAX)
    await page.goto(`${address}/datasets/meetup_rsvps`)
    await page
      .locator('.chart canvas')
      .nth(CHARTS_MIN - 1)
      .waitFor()
    await page
      .locator('.ranking .value')
      .nth(RANKED_MIN - 1)
      .waitFor()
    return await page.screenshot({ animations: 'disabled' })
  } finally {
    await context.close()
  }
}
