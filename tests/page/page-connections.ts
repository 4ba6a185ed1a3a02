/** What the page asks, over how many connections, and what it says when the server is gone. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { type PageSite, SHOWN_MS_MAX } from './page-site.ts'
import { SCREENSHOT_BYTES_MAX, SCREENSHOT_FILE, SCREENSHOT_SIZE, takeScreenshot } from './screenshot.ts'
import { FOREIGN } from './shown-events.ts'

export function testConnections(started: () => PageSite): void {
  test('seven tabs follow new events over a few connections, and nobody asks for what is followed', async () => {
    const site = started()
    const visitor = await site.browser.newContext({ locale: 'en-GB' })
    const tabs = await Promise.all(Array.from({ length: 7 }, () => visitor.newPage()))
    const asked = tabs.map((tab) => {
      const urls: string[] = []
      tab.on('request', (request) => urls.push(new URL(request.url()).pathname))
      return urls
    })
    await Promise.all(tabs.map((tab) => tab.goto(`${site.address}/datasets/${FOREIGN}`)))
    const total = (tab: Page) => tab.locator('section.panel .ranking .value').first().textContent()
    for (const tab of tabs) await expect.poll(() => total(tab), { timeout: SHOWN_MS_MAX }).toBe('23')
    await site.send(FOREIGN, [JSON.stringify({ at: Date.now(), page: '/0', ms: 1, browser: 'b1' })])
    for (const tab of tabs) await expect.poll(() => total(tab), { timeout: SHOWN_MS_MAX }).toBe('24')
    const streaming = asked.filter((urls) => urls.includes('/v1/live'))
    expect(streaming.length).toBe(3)
    for (const urls of streaming) expect(urls.filter((url) => url.includes('/views/'))).toEqual([])
    await visitor.close()
  })

  test('a page that opens asks for all panels in view at once, and for what is less urgent after an answer', async () => {
    const site = started()
    const visitor = await site.browser.newContext({ locale: 'en-GB', viewport: { width: 1400, height: 1000 } })
    const tab = await visitor.newPage()
    const asked: string[] = []
    const followed: number[] = []
    tab.on('request', (request) => {
      const { pathname } = new URL(request.url())
      asked.push(pathname)
      if (pathname === '/v1/live') followed.push((request.postDataJSON() as { queries: unknown[] }).queries.length)
    })
    await tab.goto(`${site.address}/datasets/meetup_rsvps`)
    const later = ['health', 'saved-views'].map((name) => `/v1/datasets/meetup_rsvps/${name}`)
    await expect.poll(() => later.every((path) => asked.includes(path)), { timeout: SHOWN_MS_MAX }).toBe(true)
    const first = asked.indexOf('/v1/live')
    expect(first).toBeGreaterThan(-1)
    for (const path of later) expect(asked.indexOf(path)).toBeGreaterThan(first)
    // Those of which it is known at once what they ask; one with lines by country asks first which.
    expect(followed[0]).toBeGreaterThanOrEqual(8)
    await visitor.close()
  })

  test('the picture of the README can be made anew, and is small', async () => {
    const site = started()
    const sizeOf = (png: Buffer) => ({ width: png.readUInt32BE(16), height: png.readUInt32BE(20) })
    for (const png of [await takeScreenshot(site.browser, site.address), readFileSync(SCREENSHOT_FILE)]) {
      expect(png.subarray(1, 4).toString()).toBe('PNG')
      expect(sizeOf(png)).toEqual(SCREENSHOT_SIZE)
      expect(png.length).toBeLessThan(SCREENSHOT_BYTES_MAX)
    }
    expect(readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8')).toContain('(docs/images/live-page.png)')
  })

  test('nothing was asked of another host, and nothing was written to the console as an error', () => {
    const site = started()
    expect(site.elsewhere).toEqual([])
    expect(site.faults).toEqual([])
  })

  test('a server that is gone is said so beside the last numbers, and followed again when it is back', async () => {
    const site = started()
    await site.open('/datasets/meetup_rsvps')
    await site.settled()
    await site.killPlatform()
    await expect.poll(() => site.page.getByText('no connection').count(), { timeout: SHOWN_MS_MAX }).toBeGreaterThan(0)
    expect(await site.page.locator('.ranking .value').count()).toBeGreaterThan(0)
    await site.startAgain()
    await expect.poll(() => site.page.locator('.connection').textContent(), { timeout: SHOWN_MS_MAX }).toBe('live')
    await expect.poll(() => site.page.locator('.state.fault').count(), { timeout: SHOWN_MS_MAX }).toBe(0)
  })
}
