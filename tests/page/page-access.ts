/** Every page is there and can be used by everyone: by keyboard, in dark colours, on a phone. */
import { expect, onTestFinished, test } from 'vitest'
import { ofToday } from '../by-day.ts'
import { DRAFTED } from './drafted-weather.ts'
import { expectRecounted } from './page-recount.ts'
import { NAMES, type PageSite, SHOWN_MS_MAX } from './page-site.ts'
import { EMPTY, FOREIGN } from './shown-events.ts'

const WHOLE = { width: 1400, height: 12_000 } as const
const PHONE = { width: 390, height: 800 } as const
/** Those that are not shipped are drafts of their own kind. */
const OPENED = [FOREIGN, DRAFTED, ...ofToday('shipped datasets on the page', NAMES)]

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

  test('arrow keys lead to each number of a table and of a chart, and tell where it comes from', async () => {
    const site = started()
    const { page } = site
    await site.open('/datasets/course_clicks')
    const panel = (name: string) =>
      page.locator('section.panel', { has: page.getByRole('heading', { name, exact: true }) })
    const table = panel('Conversion by course')
    await page.locator('.shows-table').first().scrollIntoViewIfNeeded()
    await table.locator('tbody button').first().focus()
    for (let column = 1; column <= 3; column++) await page.keyboard.press('ArrowRight')
    await page.keyboard.press('ArrowDown')
    const tip = page.getByRole('tooltip')
    await expect.poll(() => tip.textContent()).toMatch(/^exact, nothing missing\n.*600 live events/s)
    const focused = page.locator('td:focus')
    expect(await focused.textContent()).toMatch(/^\d+$/)
    expect(await page.evaluate('document.activeElement.parentElement.sectionRowIndex')).toBe(1)
    // What is out of view is not on the page.
    await site.open('/datasets/course_clicks')
    const chart = panel('Clicks over time')
    await chart.locator('canvas').waitFor()
    await chart.getByRole('img').focus()
    await page.keyboard.press('End')
    const said = chart.locator('.chart [role=status]')
    await expect.poll(() => said.textContent()).toMatch(/Programming {2}\d+\n(.*\n)*exact, nothing missing/)
    const newest = await said.textContent()
    await page.keyboard.press('ArrowLeft')
    await expect.poll(() => said.textContent()).not.toBe(newest)
  })

  test('a filter by an id says what it stands for', async () => {
    const site = started()
    const { course } = JSON.parse(site.lines.course_clicks![0]!) as { course: { id: string; title: string } }
    await site.open(`/datasets/course_clicks?f.course_id=${course.id}`)
    const chip = site.page.locator('.chip')
    await expect.poll(() => chip.textContent(), { timeout: SHOWN_MS_MAX }).toContain(`Course: ${course.title}`)
    await chip.click()
    await expect.poll(() => chip.count()).toBe(0)
  })

  test.each(OPENED)(
    '%s: every panel is there with the numbers of a recount, or says why it has none, and is accessible',
    async (name) => {
      const site = started()
      const size = site.page.viewportSize()!
      // A panel asks for its numbers when it comes into view.
      await site.page.setViewportSize(WHOLE)
      onTestFinished(() => site.page.setViewportSize(size))
      await site.open(`/datasets/${name}`)
      await site.settled()
      expect(await site.page.locator('section.panel').count()).toBeGreaterThan(0)
      expect(await site.page.locator('.state.fault').allTextContents()).toEqual([])
      const isEmpty = site.page.locator('.state', { hasText: 'No events yet' })
      const filled = (): Promise<number> => site.page.locator('section.panel').filter({ hasNot: isEmpty }).count()
      if (name === EMPTY) await expect.poll(filled, { timeout: SHOWN_MS_MAX }).toBe(0)
      else expect(await isEmpty.count()).toBe(0)
      expect(await site.seriousFaults()).toEqual([])
      if (name !== EMPTY) expect(await expectRecounted(site, name)).toBeGreaterThan(2)
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
