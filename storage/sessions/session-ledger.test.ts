/** Sessions: who has the token has the session, until it ends, is ended, or its key is removed. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { FolderTexts } from '#storage/texts/local/folder-texts.ts'
import { SessionLedger, type SessionLimits } from './session-ledger.ts'

const [KEY, OTHER] = ['a-key-of-sixteen-or-more', 'another-key-of-this-server']
const HOUR = 3_600_000
const NOW = Date.UTC(2026, 0, 2)

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'watershed-sessions-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const ledgerOf = (limits: Partial<SessionLimits> = {}): SessionLedger =>
  new SessionLedger(new FolderTexts(folder), limits)

test('a session is known by its token, also to other processes and after a restart', async () => {
  const { token, untilMs } = await ledgerOf({ sessionMs: HOUR }).begin(KEY, NOW)
  expect(untilMs).toBe(NOW + HOUR)
  const other = ledgerOf()
  expect(other.find(token, [KEY], NOW)).toBeNull()
  const wrong = [`${token.slice(0, -1)}${token.endsWith('A') ? 'B' : 'A'}`, '../../etc/passwd', '']
  for (const each of [token, ...wrong]) await other.learn(each, NOW)
  expect(other.find(token, [OTHER, KEY], NOW)).toEqual({ key: KEY, untilMs })
  for (const each of wrong) expect(other.find(each, [KEY], NOW)).toBeNull()
})

test('it ends with its time, with its key, and when it is ended, elsewhere within seconds', async () => {
  const [here, elsewhere] = [ledgerOf({ sessionMs: HOUR }), ledgerOf()]
  const { token } = await here.begin(KEY, NOW)
  const found = async (ledger: SessionLedger, keys: readonly string[], nowMs: number) => {
    await ledger.learn(token, nowMs)
    return ledger.find(token, keys, nowMs)
  }
  expect(await found(here, [KEY], NOW + HOUR - 1)).not.toBeNull()
  expect(await found(here, [KEY], NOW + HOUR)).toBeNull()
  expect(await found(here, [OTHER], NOW)).toBeNull()
  expect(await found(elsewhere, [KEY], NOW)).not.toBeNull()
  await here.end(token)
  expect(await found(here, [KEY], NOW)).toBeNull()
  expect(await found(elsewhere, [KEY], NOW + 2_000)).toBeNull()
})

test('there are at most sessionsMax: the one that ends first gives way', async () => {
  const ledger = ledgerOf({ sessionsMax: 2, sessionMs: HOUR })
  const tokens: string[] = []
  for (const n of [0, 1, 2]) tokens.push((await ledger.begin(KEY, NOW + n)).token)
  const other = ledgerOf()
  for (const token of tokens) await other.learn(token, NOW + 2)
  expect(tokens.map((token) => other.find(token, [KEY], NOW + 2) !== null)).toEqual([false, true, true])
  expect(ledger.find(tokens[0]!, [KEY], NOW + 2)).toBeNull()
  await ledger.begin(KEY, NOW + 2 * HOUR)
  expect(readdirSync(folder)).toHaveLength(1)
})

test('what is stored opens no session and tells no key', async () => {
  const { token } = await ledgerOf().begin(KEY, NOW)
  const [name = ''] = readdirSync(folder)
  const text = readFileSync(join(folder, name), 'utf8')
  for (const secret of [token, KEY]) expect(`${name}${text}`).not.toContain(secret)
  const other = ledgerOf()
  for (const guessed of [name, name.slice(0, 43)]) {
    await other.learn(guessed, NOW)
    expect(other.find(guessed, [KEY], NOW)).toBeNull()
  }
})

test('made-up tokens are not looked up by the thousand, and a known session goes on while the store is away, for a while', async () => {
  const texts = new FolderTexts(folder)
  const answers: (() => void)[] = []
  let isAway = false
  let reads = 0
  const read = texts.read.bind(texts)
  texts.read = async (name) => {
    if (isAway) throw new Error('away')
    reads++
    await new Promise<void>((answer) => answers.push(answer))
    return read(name)
  }
  const { token } = await ledgerOf({ sessionMs: HOUR }).begin(KEY, NOW)
  const ledger = new SessionLedger(texts)
  let areLearned = false
  const madeUp = Promise.all(Array.from({ length: 1_000 }, (_, n) => ledger.learn(String(n).padStart(43, 'x'), NOW)))
  void madeUp.finally(() => {
    areLearned = true
  })
  while (!areLearned) {
    for (const answer of answers.splice(0)) answer()
    await new Promise(setImmediate)
  }
  await madeUp
  expect(reads).toBeLessThan(100)
  const learned = ledger.learn(token, NOW)
  await vi.waitFor(() => expect(answers).toHaveLength(1))
  answers[0]!()
  await learned
  expect(ledger.find(token, [KEY], NOW)).not.toBeNull()
  isAway = true
  const at = async (nowMs: number) => {
    await ledger.learn(token, nowMs)
    return ledger.find(token, [KEY], nowMs) !== null
  }
  expect([await at(NOW + 3_000), await at(NOW + 50_000), await at(NOW + 61_000)]).toEqual([true, true, false])
})
