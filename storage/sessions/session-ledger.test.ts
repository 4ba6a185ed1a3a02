/** Sessions: who has the token has the session, until it ends, is ended, or its key is removed. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { SessionLedger } from './session-ledger.ts'

const [KEY, OTHER] = ['a-key-of-sixteen-or-more', 'another-key-of-this-server']
const HOUR = 3_600_000
const NOW = Date.UTC(2026, 0, 2)

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'watershed-sessions-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

test('a session is known by its token, also to other processes and after a restart', async () => {
  const { token, untilMs } = await new SessionLedger(folder, { sessionMs: HOUR }).begin(KEY, NOW)
  expect(untilMs).toBe(NOW + HOUR)
  const other = new SessionLedger(folder)
  expect(other.find(token, [OTHER, KEY], NOW)).toEqual({ key: KEY, untilMs })
  expect(other.find(`${token.slice(0, -1)}${token.endsWith('A') ? 'B' : 'A'}`, [KEY], NOW)).toBeNull()
  expect(other.find('../../etc/passwd', [KEY], NOW)).toBeNull()
})

test('it ends with its time, with its key, and when it is ended, elsewhere within seconds', async () => {
  const [here, elsewhere] = [new SessionLedger(folder, { sessionMs: HOUR }), new SessionLedger(folder)]
  const { token } = await here.begin(KEY, NOW)
  expect(here.find(token, [KEY], NOW + HOUR - 1)).not.toBeNull()
  expect(here.find(token, [KEY], NOW + HOUR)).toBeNull()
  expect(here.find(token, [OTHER], NOW)).toBeNull()
  expect(elsewhere.find(token, [KEY], NOW)).not.toBeNull()
  await here.end(token)
  expect(here.find(token, [KEY], NOW)).toBeNull()
  expect(elsewhere.find(token, [KEY], NOW + 2_000)).toBeNull()
})

test('there are at most sessionsMax: the one that ends first gives way', async () => {
  const ledger = new SessionLedger(folder, { sessionsMax: 2, sessionMs: HOUR })
  const tokens: string[] = []
  for (const n of [0, 1, 2]) tokens.push((await ledger.begin(KEY, NOW + n)).token)
  expect(tokens.map((token) => ledger.find(token, [KEY], NOW + 2) !== null)).toEqual([false, true, true])
  await ledger.begin(KEY, NOW + 2 * HOUR)
  expect(readdirSync(folder)).toHaveLength(1)
})

test('what is stored opens no session, tells no key, and is for its owner only', async () => {
  const { token } = await new SessionLedger(folder).begin(KEY, NOW)
  const [name = ''] = readdirSync(folder)
  const text = readFileSync(join(folder, name), 'utf8')
  for (const secret of [token, KEY]) expect(`${name}${text}`).not.toContain(secret)
  expect(statSync(join(folder, name)).mode & 0o077).toBe(0)
  expect(new SessionLedger(folder).find(name, [KEY], NOW)).toBeNull()
})
