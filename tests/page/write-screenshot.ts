/** `npm run screenshot` makes the picture of the README anew, from a platform that it starts and events that it sends. */
import { mkdtempSync, rmSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { PlatformProcess } from '../crash/platform-process.ts'
import { openChromium } from '../servers/chromium.ts'
import { SCREENSHOT_FILE, shownRsvps, takeScreenshot } from './screenshot.ts'

const EVENTS = 6_000

const data = mkdtempSync(join(tmpdir(), 'watershed-screenshot-'))
const platform = new PlatformProcess({
  arguments: ['--no-demo', '--port', '0', '--dataset', 'meetup_rsvps', '--dataset', 'flights'],
  environment: { WATERSHED_DATA: data, WATERSHED_PARTITIONS: '1' },
})
const browser = await openChromium()
try {
  const address = await platform.address
  const headers = { 'content-type': 'application/x-ndjson' }
  const body = shownRsvps(EVENTS, Date.now()).join('\n')
  const reply = await fetch(`${address}/v1/datasets/meetup_rsvps/events`, { method: 'POST', headers, body })
  if (!reply.ok) throw new Error(await reply.text())
  const picture = await takeScreenshot(browser, address)
  await mkdir(dirname(SCREENSHOT_FILE), { recursive: true })
  await writeFile(SCREENSHOT_FILE, picture)
  console.log(`${SCREENSHOT_FILE}: ${Math.round(picture.length / 1024)} KiB`)
} finally {
  await browser.close()
  await platform.kill()
  rmSync(data, { recursive: true, force: true })
}
