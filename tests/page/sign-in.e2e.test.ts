/** Signing in to the page in a real Chromium, what is saved there, and out again. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AxeResults } from 'axe-core'
import type { FastifyInstance } from 'fastify'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BuiltPageFiles } from '#dashboards/page/page-files.ts'
import { buildServeApp } from '#serving/http/serve-app.ts'
import { type ServedShop, serveShop } from '#serving/http/serve-app-fixture.ts'
import { SessionLedger } from '#storage/sessions/session-ledger.ts'
import { FolderTexts } from '#storage/texts/local/folder-texts.ts'
import { chromiumVersion, openChromium } from '../servers/chromium.ts'
import { mustRun } from '../servers/must-run.ts'

const KEY = 'an-api-key-of-this-shop'
const ADMIN = 'the-key-of-its-operator'
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

describe.skipIf(chromiumVersion() === null && !mustRun())('signing in', () => {
  let shop: ServedShop
  let app: FastifyInstance
  let folder: string
  let address: string
  let browser: Browser
  let page: Page
  const asked: string[] = []

  beforeAll(async () => {
    shop = await serveShop()
    folder = mkdtempSync(join(tmpdir(), 'watershed-sign-in-'))
    const sessions = new SessionLedger(new FolderTexts(folder))
    app = buildServeApp({ ...shop.parts, page: new BuiltPageFiles(), keys: [KEY], adminKey: ADMIN, sessions })
    await app.listen({ host: '127.0.0.1', port: 0 })
    address = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`
    browser = await openChromium()
    page = await browser.newPage({ locale: 'en-GB', viewport: { width: 390, height: 800 } })
    page.on('request', (request) => asked.push(request.url()))
  }, 60_000)
  afterAll(async () => {
    await browser?.close()
    await app?.close()
    await shop?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  test('is asked for in the place of the numbers, by keyboard, and is accessible', async () => {
    await page.goto(`${address}/datasets/shop`)
    await page.getByRole('heading', { name: 'Sign in' }).waitFor()
    expect(await page.evaluate('document.activeElement.id')).toBe('key')
    const { violations } = (await page.evaluate(`(() => { ${AXE}; return axe.run() })()`)) as AxeResults
    expect(violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')).toEqual([])
    await page.keyboard.type('a-key-that-is-wrong')
    await page.keyboard.press('Enter')
    await expect.poll(() => page.getByRole('alert').textContent()).toContain('not one of the keys')
  })

  test('shows what was asked for, also after a reload; no script sees the session, no address the key', async () => {
    await page.getByLabel('Key').fill(KEY)
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Shop', level: 1 }).waitFor()
    await page.reload()
    await page.getByRole('heading', { name: 'Shop', level: 1 }).waitFor()
    await page.getByRole('button', { name: 'Sign out' }).waitFor()
    expect(await page.evaluate('document.cookie')).toBe('')
    expect(await page.evaluate('JSON.stringify([localStorage, sessionStorage])')).not.toContain(KEY)
    expect(asked.filter((url) => url.includes(KEY))).toEqual([])
  })

  test('a view is saved under a name, opened by its link, renamed and deleted', async () => {
    await page.goto(`${address}/datasets/shop?range=24h&f.kind=order`)
    await page.getByText('Views', { exact: true }).click()
    await page.getByLabel('Save this view as').fill('Orders of a day')
    await page.keyboard.press('Enter')
    const link = page.locator('.saved-menu a', { hasText: 'Orders of a day' })
    const href = (await link.getAttribute('href'))!
    const { violations } = (await page.evaluate(`(() => { ${AXE}; return axe.run('.toolbar') })()`)) as AxeResults
    expect(violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')).toEqual([])
    await page.goto(`${address}${href}`)
    await expect.poll(() => page.url()).toContain('f.kind=order')
    expect(page.url()).toContain('range=24h')
    await page.getByText('Orders of a day', { exact: true }).first().click()
    await page.getByRole('button', { name: 'Rename Orders of a day' }).click()
    await page.getByLabel('New name of Orders of a day').fill('Orders')
    await page.keyboard.press('Enter')
    await page.getByRole('button', { name: 'Delete Orders', exact: true }).click()
    await page.getByRole('button', { name: 'Delete Orders for everyone' }).click()
    await page.getByText('The saved view of this link was deleted.').waitFor()
    await page.goto(`${address}/datasets/shop`)
  })

  test('a session that ends asks again, and signing in goes on where it was', async () => {
    for (const { name, value } of await page.context().cookies())
      await fetch(`${address}/v1/session`, { method: 'DELETE', headers: { cookie: `${name}=${value}` } })
    await page.getByRole('heading', { name: 'Sign in' }).waitFor()
    await page.getByLabel('Key').fill(KEY)
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Shop', level: 1 }).waitFor()
    expect(page.url()).toBe(`${address}/datasets/shop`)
  })

  test('signing out leaves nothing open', async () => {
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByRole('heading', { name: 'Sign in' }).waitFor()
    expect(await page.context().cookies()).toEqual([])
  })

  test('what a part needs is one click away: done by who may operate, a command for others', async () => {
    const verified = page.locator('.hop', { hasText: 'Verified' })
    const signIn = async (key: string): Promise<void> => {
      await page.getByLabel('Key').fill(key)
      await page.keyboard.press('Enter')
    }
    await signIn(KEY)
    await verified.getByRole('button', { name: 'Copy the command' }).waitFor()
    expect(await verified.getByRole('button', { name: 'Verify now' }).count()).toBe(0)
    await page.getByRole('button', { name: 'Sign out' }).click()
    await signIn(ADMIN)
    await page.getByRole('link', { name: 'Shop' }).first().click()
    await page.locator('a.status').click()
    await verified.getByRole('button', { name: 'Verify now' }).click()
    await expect.poll(() => verified.getByRole('status').textContent()).toBe('It is started')
    const [job] = await shop.parts.operations!.jobs.get('shop')!.list()
    expect(job).toMatchObject({ kind: 'verify', state: 'waiting' })
  })
})
