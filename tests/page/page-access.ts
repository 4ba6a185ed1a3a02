/** Every page is there and can be used by everyone: by keyboard, in dark colours, on a phone. */
import { expect, test } from 'vitest'
import { NAMES, type PageSite, SHOWN_MS_MAX } from './page-site.ts'
import { EMPTY, FOREIGN } from './shown-events.ts'

const PHONE = { width: 390, height: 800 } as const

export function testAccess(started: () => PageSite): void {
  test('the page is used by keyboard: its content is one key away, and a group is chosen', async () => {
    const site = started()
    await site.open(`/datasets/${FOREIGN}`)
    const group = site.page.locator('.ranking li button').first()
    await group.waitFor()
    await site.page.keyboard.press('Tab')
    await site.page.keyboard.press('Enter')
    expect(await site.page.evaluate('document.activeElement.id')).toBe('content')
    await group.focus()
    await site.page.keyboard.press('Enter')
    await expect.poll(() => group.getAttribute('aria-pressed')).toBe('true')
    const name = await group.locator('.name').textContent()
    await site.page.getByRole('button', { name: `Page: ${name}`, exact: false }).press('Enter')
    await expect.poll(() => group.getAttribute('aria-pressed')).toBe('false')
  })

  test.each([...NAMES, FOREIGN])(
    '%s: every panel is there, or says why it has nothing to show, and is accessible',
    async (name) => {
      const site = started()
      await site.open(`/datasets/${name}`)
      // A panel asks for its numbers when it is scrolled to.
      for (const heading of await site.page.locator('h2').all()) {
        await heading.scrollIntoViewIfNeeded()
        await site.settled()
      }
      expect(await site.page.locator('section.panel').count()).toBeGreaterThan(0)
      expect(await site.page.locator('.state.fault').allTextContents()).toEqual([])
      const isEmpty = site.page.locator('.state', { hasText: 'No events yet' })
      const filled = (): Promise<number> => site.page.locator('section.panel').filter({ hasNot: isEmpty }).count()
      if (name === EMPTY) await expect.poll(filled, { timeout: SHOWN_MS_MAX }).toBe(0)
      else expect(await isEmpty.count()).toBe(0)
      expect(await site.seriousFaults()).toEqual([])
    },
  )

  test('the overview has each dataset with its way from source to answer', async () => {
    const site = started()
    await site.open('/')
    await site.settled()
    for (const name of [...NAMES, FOREIGN])
      await expect.poll(() => site.page.locator(`a[href="/datasets/${name}"]`).count()).toBeGreaterThan(0)
    await expect
      .poll(() => site.page.locator('main').textContent())
      .toMatch(/600 events counted, as of [\d.]+ secs? ago/)
    expect(await site.seriousFaults()).toEqual([])
  })

  test('in dark colours and on a phone nothing is serious, either, and nothing scrolls sideways', async () => {
    const site = started()
    const size = site.page.viewportSize()!
    await site.page.emulateMedia({ colorScheme: 'dark' })
    await site.page.setViewportSize(PHONE)
    for (const path of ['/', '/datasets/stock_quotes']) {
      await site.open(path)
      await site.settled()
      expect(await site.page.evaluate('document.documentElement.dataset.theme')).toBe('dark')
      expect(await site.page.evaluate('document.documentElement.scrollWidth')).toBe(PHONE.width)
      expect(await site.seriousFaults()).toEqual([])
    }
    await site.page.emulateMedia({ colorScheme: null })
    await site.page.setViewportSize(size)
  })
}
