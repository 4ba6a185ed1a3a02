/** What the page says while it has no numbers: they are loading, refused, none, or cannot be given. */
import type { Page, Route } from 'playwright-core'
import { expect, test } from 'vitest'
import { type PageSite, SHOWN_MS_MAX } from './page-site.ts'
import { EMPTY, FOREIGN, posts } from './shown-events.ts'

export function testStates(started: () => PageSite): void {
  test('what is not known yet is loading, the whole page and each panel, and is told to screen readers', async () => {
    const site = started()
    const { page, address } = site
    const loading = page.getByRole('main').getByRole('status').filter({ hasText: 'Loading' })
    const definitions = await hold(page, /\/v1\/datasets$/)
    const answers = await hold(page, /\/views\/|\/v1\/live/)
    const busy = (): Promise<string | null> => page.locator('section.panel').first().getAttribute('aria-busy')
    try {
      await page.goto(`${address}/datasets/${FOREIGN}`)
      await expect.poll(() => loading.count(), { timeout: SHOWN_MS_MAX }).toBe(1)
      expect(await page.locator('h1').count()).toBe(0)
      await definitions.release()
      await page.locator('h1').waitFor()
      await expect.poll(() => answers.count(), { timeout: SHOWN_MS_MAX }).toBeGreaterThan(0)
      expect(await loading.count()).toBe(await page.locator('section.panel').count())
      expect(await busy()).toBe('true')
      expect(await page.locator('.state:not(.loading), .ranking, dd, canvas').count()).toBe(0)
      expect(await site.seriousFaults()).toEqual([])
    } finally {
      await definitions.release()
      await answers.release()
    }
    await site.settled()
    await expect.poll(busy, { timeout: SHOWN_MS_MAX }).toBe('false')
    expect(await page.locator('.state.fault').count()).toBe(0)
    await page.unrouteAll({ behavior: 'ignoreErrors' })
  })

  test('a panel whose question is refused says why and what to do, and goes on afterwards', async () => {
    const site = started()
    await site.open(`/datasets/${FOREIGN}`)
    await site.settled()
    const title = 'Too many requests in progress'
    const refuse = (route: Route): Promise<void> =>
      route.fulfill({ status: 503, json: { title, status: 503, detail: 'wait a second', retryable: true } })
    await site.page.route(/\/views\/|\/v1\/live/, refuse)
    const faulty = site.page.locator('.state.fault')
    try {
      await site.page.getByRole('combobox', { name: 'Time', exact: true }).selectOption('24h')
      await expect.poll(() => faulty.first().textContent(), { timeout: SHOWN_MS_MAX }).toContain('wait a second')
      expect(await site.page.locator('.connection').textContent()).toBe('live')
    } finally {
      await site.page.unrouteAll({ behavior: 'ignoreErrors' })
    }
    await faulty.first().getByRole('button', { name: 'Try again now' }).click()
    await expect.poll(() => faulty.count(), { timeout: SHOWN_MS_MAX }).toBe(0)
    // The browser itself writes each refused request to the console.
    expect(site.faults.splice(0).filter((text) => !text.includes('503'))).toEqual([])
  })

  test('a page without events is filled as they come', async () => {
    const site = started()
    await site.open('/')
    const partitions = site.page.locator(`#${EMPTY} .partition`)
    await partitions.first().waitFor()
    expect(new Set(await partitions.locator('.number').allTextContents())).toEqual(new Set(['0']))
    expect(await partitions.locator('.layer').count()).toBe(0)
    await site.open(`/datasets/${EMPTY}`)
    await site.page.getByText('No events yet').first().waitFor()
    await site.send(EMPTY, posts(Date.now()))
    await expect
      .poll(() => site.page.locator('.ranking .name').allTextContents(), { timeout: SHOWN_MS_MAX })
      .toContain('#morning')
    await expect.poll(() => site.page.getByText('No events yet').count(), { timeout: SHOWN_MS_MAX }).toBe(0)
  })

  test('the overview says so where answers cannot be given', async () => {
    const site = started()
    const unknown = { partitions: null, rows: null, lateRows: null, deadLetters: { total: null, reasons: null } }
    const known = (await (await fetch(`${site.address}/v1/datasets/${FOREIGN}/health`)).json()) as object
    await site.page.route('**/health', (route) => route.fulfill({ json: { ...known, ...unknown } }))
    await site.open('/')
    await expect.poll(() => site.page.locator('main').textContent()).toContain('answers cannot be given now')
    expect(site.faults).toEqual([])
    await site.page.unrouteAll({ behavior: 'ignoreErrors' })
  })
}

/** Holds back what is asked until it is released: a real server answers too soon for the eye. */
async function hold(page: Page, asked: RegExp): Promise<{ count(): number; release(): Promise<void> }> {
  const held: Route[] = []
  let isHeld = true
  await page.route(asked, async (route) => {
    if (isHeld) held.push(route)
    else await route.continue()
  })
  return {
    count: () => held.length,
    release: async () => {
      isHeld = false
      await Promise.all(held.splice(0).map((route) => route.continue()))
    },
  }
}
