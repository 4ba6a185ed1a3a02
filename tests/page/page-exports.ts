/** What leaves a panel by its menu: programs that ask the same, and files in every format. */
import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { type PageSite, SHOWN_MS_MAX } from './page-site.ts'

/** How each text is run so that it prints the rows. */
const RUN: Readonly<Record<string, (text: string) => string>> = {
  curl: (text) => JSON.stringify((JSON.parse(run('sh', ['-c', text])) as { data: unknown }).data),
  TypeScript: (text) =>
    run(process.execPath, ['--input-type=module-typescript', '-e', `${text}\nconsole.log(JSON.stringify(data))`]),
  Python: (text) => run('python3', ['-c', `${text}\nprint(json.dumps(rows))`]),
}
/** with what a file of the format begins */
const BEGINS: Readonly<Record<string, RegExp>> = {
  csv: /^city,country,/,
  xlsx: /^PK/,
  json: /^\{"data":\[/,
  ndjson: /^\{"city":/,
  arrow: /^\xff\xff\xff\xff/,
  parquet: /^PAR1/,
}

const run = (program: string, parameters: readonly string[]): string =>
  execFileSync(program, parameters, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })

export function testExports(started: () => PageSite): void {
  test('a panel is copied as a program that prints its rows, and downloaded in every format', async () => {
    const site = started()
    await site.page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
    await site.open('/datasets/meetup_rsvps')
    await site.page.locator('.shows-table').first().scrollIntoViewIfNeeded()
    const table = site.page.locator('section.panel', {
      has: site.page.getByRole('heading', { name: 'Cities', exact: true }),
    })
    await table.locator('tbody td').first().waitFor()
    await table.locator('summary', { hasText: 'Export' }).click()
    const path = (await table.getByRole('link', { name: 'Open the answer' }).getAttribute('href'))!
    const { data } = (await (await fetch(`${site.address}${path}`)).json()) as { data: object[] }
    expect(data.length).toBeGreaterThan(10)
    for (const [language, rowsOf] of Object.entries(RUN)) {
      await table.getByRole('button', { name: `Copy as ${language}` }).click()
      await expect.poll(() => table.getByRole('status').first().textContent()).toBe(`copied as ${language}`)
      const text = await site.page.evaluate<string>('navigator.clipboard.readText()')
      expect(JSON.parse(rowsOf(text)), language).toEqual(data)
    }
    const links = await table.locator('footer a[download]').all()
    expect(links.length).toBe(Object.keys(BEGINS).length)
    for (const [format, begins] of Object.entries(BEGINS)) {
      const href = (await table.locator(`footer a[download][href*=".${format}?"]`).getAttribute('href'))!
      const reply = await fetch(`${site.address}${href}`)
      expect(reply.status, format).toBe(200)
      expect(Buffer.from(await reply.arrayBuffer()).toString('latin1'), format).toMatch(begins)
    }
  })

  test('a marked part of a chart becomes the time of all panels, and is kept in the address', async () => {
    const site = started()
    await site.open('/datasets/meetup_rsvps')
    const chart = site.page.getByRole('img', { name: /^Responses over time/ })
    await chart.locator('canvas').waitFor()
    await chart.scrollIntoViewIfNeeded()
    const box = (await chart.boundingBox())!
    const at = (share: number): readonly [number, number] => [box.x + box.width * share, box.y + box.height / 2]
    await site.page.mouse.move(...at(0.4))
    await site.page.mouse.down()
    await site.page.mouse.move(...at(0.6), { steps: 5 })
    await site.page.mouse.up()
    await expect.poll(() => site.page.url(), { timeout: SHOWN_MS_MAX }).toMatch(/from=.*&to=/)
    const total = site.page.locator('.tiles dd').first()
    const { searchParams } = new URL(site.page.url())
    const [from, to] = ['from', 'to'].map((name) => Math.floor(Date.parse(searchParams.get(name)!) / 60_000) * 60_000)
    const end = Math.ceil(Date.parse(searchParams.get('to')!) / 60_000) * 60_000
    expect(to).toBeGreaterThan(from!)
    const within = site.lines.meetup_rsvps!.filter((line) => {
      const { mtime } = JSON.parse(line) as { mtime: number }
      return mtime >= from! && mtime < end
    })
    await expect.poll(() => total.textContent(), { timeout: SHOWN_MS_MAX }).toBe(String(within.length))
    expect(within.length).toBeLessThan(site.lines.meetup_rsvps!.length)
    await site.page.getByRole('button', { name: 'Zoom out' }).click()
    await expect.poll(() => total.textContent()).toBe(String(site.lines.meetup_rsvps!.length))
  })
}
