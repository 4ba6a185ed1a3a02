/** For cluster.e2e.test.ts: the live page of two serve processes, in a real Chromium. */
import type { Browser } from 'playwright-core'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { chromiumVersion, openChromium } from '#tests/servers/chromium.ts'
import { mustRun } from '#tests/servers/must-run.ts'
import type { ClusterServices } from './cluster-services.ts'
import { ClusterSite } from './cluster-site.ts'

const SHOWN = { timeout: 60_000 } as const
const PAGE = '/datasets/crash_events'
const KINDS = '/v1/datasets/crash_events/views/by_kind?dimensions=kind&measures=events&order=-events'

interface Kinds {
  readonly data: readonly { readonly events: number }[]
  readonly meta: { readonly behind: number; readonly asOf: string }
}

export function pageInCluster(services: () => ClusterServices): void {
  describe.skipIf(chromiumVersion() === null && !mustRun())('the page', () => {
    let site: ClusterSite
    let browser: Browser
    beforeEach(async () => {
      ;[site, browser] = await Promise.all([ClusterSite.make(services()), openChromium()])
    })
    afterEach(async () => {
      await browser.close()
      await site.remove()
    })

    test('shows what is counted, has the same saved views everywhere, and goes on when its process is back', async () => {
      const [one, two, stream] = [site.run('serve'), site.run('serve'), site.run('stream')]
      await site.post(one)
      await site.allOwned(stream)
      await site.acknowledged(100)
      const page = await browser.newPage({ locale: 'en-GB' })
      page.setDefaultTimeout(SHOWN.timeout)
      const faults: string[] = []
      page.on('pageerror', ({ message }) => faults.push(message))
      await page.goto(`${await one.address}${PAGE}`)
      await page.locator('.ranking .value').first().waitFor()
      await site.quiet()
      const address = await two.address
      const kinds = async (): Promise<Kinds> => (await fetch(`${address}${KINDS}`)).json() as Promise<Kinds>
      const quietMs = Date.now()
      await site.until('everything is counted', async () => {
        const { behind, asOf } = (await kinds()).meta
        return behind === 0 && Date.parse(asOf) >= quietMs
      })
      const most = (await kinds()).data[0]!.events.toLocaleString('en-GB')
      await expect.poll(() => page.locator('.ranking .value').allTextContents(), SHOWN).toContain(most)

      await page.getByText('Views', { exact: true }).click()
      await page.getByLabel('Save this view as').fill('Ours')
      await page.keyboard.press('Enter')
      const href = await page.locator('.saved-menu a', { hasText: 'Ours' }).getAttribute('href')
      await page.goto(`${address}${href}`)
      await page.locator('.saved summary', { hasText: 'Ours' }).waitFor()

      await two.kill()
      await expect.poll(() => page.locator('.connection').textContent(), SHOWN).toBe('no connection')
      await site.run('serve', {}, '--port', new URL(address).port).address
      await expect.poll(() => page.locator('.connection').textContent(), SHOWN).toBe('live')
      await expect.poll(() => page.locator('.ranking .value').allTextContents(), SHOWN).toContain(most)
      expect(faults).toEqual([])
    })
  })
}
