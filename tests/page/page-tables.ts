/** Tables: all rows, in pages, however many there are. */
import { expect, test } from 'vitest'
import { gramsOf, MANY, PARCELS, type PageSite, SHOWN_MS_MAX } from './page-site.ts'

/** a page of a table and everything around it; a table of all rows would have half a million */
const ELEMENTS_MAX = 3_000

interface Rsvp {
  readonly group: { readonly group_city: string }
}

export function testTables(started: () => PageSite): void {
  test('a table searches and pages through all rows, with the numbers of a count, and exports them', async () => {
    const site = started()
    const counts = Map.groupBy(site.lines.meetup_rsvps!, (line) => (JSON.parse(line) as Rsvp).group.group_city)
    await site.open('/datasets/meetup_rsvps')
    const table = site.page.locator('section.panel', {
      has: site.page.getByRole('heading', { name: 'Cities', exact: true }),
    })
    await site.page.locator('.shows-table').first().scrollIntoViewIfNeeded()
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
    const csv = await (await fetch(`${site.address}${path}`)).text()
    expect(csv.trim().split(/\r?\n/)).toHaveLength(2)
    expect(csv).toContain(`London`)
  })

  test('a table of 100,000 rows is searched, sorted and paged, and is never on the page as a whole', async () => {
    const site = started()
    const counted = async (): Promise<unknown> =>
      (await fetch(`${site.address}/v1/datasets/${MANY}/views/parcels?dimensions=&measures=scans`)).json()
    await expect.poll(counted, { timeout: SHOWN_MS_MAX }).toMatchObject({ data: [{ scans: PARCELS }] })
    await site.open(`/datasets/${MANY}`)
    const table = site.page.locator('section.panel', { has: site.page.locator('.table') })
    const column = (nth: number) => table.locator(`tbody td:nth-child(${nth})`).allTextContents()
    const heaviest = Array.from({ length: PARCELS }, (_, n) => n).toSorted((a, b) => gramsOf(b) - gramsOf(a))
    const shows = (order: readonly number[]): Promise<void> =>
      expect.poll(() => column(1), { timeout: SHOWN_MS_MAX }).toEqual(order.map((n) => `P${n}`))
    const elements = () => site.page.evaluate<number>('document.querySelectorAll("*").length')
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
}
