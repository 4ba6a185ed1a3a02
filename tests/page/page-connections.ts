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
