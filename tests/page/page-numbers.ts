/** Numbers of the page against a count of the events. */
import { expect, test } from 'vitest'
import { type PageSite, SHOWN_MS_MAX } from './page-site.ts'

interface Rsvp {
  readonly mtime: number
  readonly group: { readonly group_city: string }
}

export function testNumbers(started: () => PageSite): void {
  test('a ranking shows what a count of the events gives', async () => {
    const site = started()
    const counts = new Map<string, number>()
    for (const line of site.lines.meetup_rsvps!) {
      const { group } = JSON.parse(line) as Rsvp
      counts.set(group.group_city, (counts.get(group.group_city) ?? 0) + 1)
    }
    const most = [...counts.values()].sort((a, b) => b - a).slice(0, 5)
    await site.open('/datasets/meetup_rsvps')
    await site.page.getByRole('heading', { name: 'Top 5 cities' }).scrollIntoViewIfNeeded()
    const ranking = site.page.locator('section.panel', {
      has: site.page.getByRole('heading', { name: 'Top 5 cities', exact: true }),
    })
    await expect
      .poll(() => ranking.locator('.value').allTextContents(), { timeout: SHOWN_MS_MAX })
      .toEqual(most.map(String))
    for (const item of await ranking.locator('.ranking li').all())
      expect(counts.get((await item.getAttribute('data-key'))!)).toBe(
        Number(await item.locator('.value').textContent()),
      )
  })

  test('a chosen period is compared with the one before', async () => {
    const site = started()
    await site.open('/datasets/meetup_rsvps?range=1h&compare=previous')
    const numbers = site.page.locator('section.panel', {
      has: site.page.getByRole('heading', { name: 'Answers', exact: true }),
    })
    const responses = numbers.locator('dd').first()
    await expect.poll(() => responses.textContent(), { timeout: SHOWN_MS_MAX }).toContain('from')
    const [, now, before] = /^(\d+).* from (\d+)$/.exec((await responses.textContent())!)!
    const twoHours = site.lines.meetup_rsvps!.filter(
      (line) => (JSON.parse(line) as Rsvp).mtime >= Date.now() - 7_200_000,
    )
    expect(Number(now) + Number(before)).toBe(twoHours.length)
    expect(await site.page.locator('.state.fault').allTextContents()).toEqual([])
  })

  test('a view with a window is shown window by window, as values or as places', async () => {
    const site = started()
    await site.open('/datasets/flights')
    await site.page.getByRole('heading', { name: 'Airports and routes', exact: true }).scrollIntoViewIfNeeded()
    const panel = site.page.locator('section.panel', {
      has: site.page.getByRole('heading', { name: 'Late departures over time', exact: true }),
    })
    await panel.getByRole('img', { name: 'Late departures over time: Late of each window' }).waitFor()
    await panel.getByLabel('Show').selectOption('places')
    await panel.locator('canvas').waitFor()
    await panel.locator('summary', { hasText: 'Export' }).click()
    const path = (await panel.getByRole('link', { name: 'Open the answer' }).getAttribute('href'))!
    const { data } = (await (await fetch(`${site.address}${path}`)).json()) as {
      data: { window_end: string; late: number }[]
    }
    expect(data.length).toBeGreaterThan(0)
    for (const [end, rows] of Map.groupBy(data, ({ window_end }) => window_end)) {
      const { searchParams } = new URL(path, site.address)
      for (const name of ['from', 'to', 'every']) searchParams.delete(name)
      const alone = await fetch(`${site.address}${path.split('?')[0]}?${searchParams}&at=${end}`)
      const shown = (await alone.json()) as { data: object[] }
      expect(shown.data.map((row) => ({ window_end: end, ...row }))).toEqual(rows)
    }
  })

  test('a number says where it comes from, when it is pointed at and when it is focused', async () => {
    const site = started()
    await site.open('/datasets/meetup_rsvps?range=1h')
    const ranking = site.page.locator('section.panel', {
      has: site.page.getByRole('heading', { name: 'Top 5 cities', exact: true }),
    })
    const tip = site.page.getByRole('tooltip')
    const says = /exact, nothing missing\n.*600 live events, up to 600/s
    await ranking.locator('li button').first().hover()
    await expect.poll(() => tip.textContent()).toMatch(says)
    await site.page.keyboard.press('Escape')
    await tip.waitFor({ state: 'hidden' })
    await ranking.getByRole('combobox').focus()
    await site.page.keyboard.press('Tab')
    await expect.poll(() => tip.textContent()).toMatch(says)
    expect(await site.page.evaluate('document.activeElement.getAttribute("aria-describedby")')).toBe('tip')
    await ranking.locator('footer button.tag').click()
    await expect.poll(() => ranking.locator('.provenance').textContent()).toContain('Boundary')
  })
}
