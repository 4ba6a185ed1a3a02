import { copyFileSync, mkdtempSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { WAL_BYTES_MAX } from '../../sqlite/sqlite-file.ts'
import { TooManyKeysError } from '../append-once.ts'
import { LIMITS, lines, readAll, textOf } from '../log-contract.ts'
import { smallDisk } from '../small-disk.ts'
import { SqliteLog, type SqliteLogOptions } from './sqlite-log.ts'

let folder: string
let file: string
const opened: SqliteLog[] = []
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'log-'))
  file = join(folder, 'log.sqlite')
})
afterEach(async () => {
  for (const log of opened.splice(0)) await log.close()
  rmSync(folder, { recursive: true, force: true })
})

async function open(more: Partial<SqliteLogOptions> = {}): Promise<SqliteLog> {
  const log = await SqliteLog.open({ file, dataset: 'd', partitions: 3, ...more })
  opened.push(log)
  return log
}

test('is the same log when opened again, and refuses another dataset or partition count', async () => {
  const log = await open()
  await log.append([lines(2, '{}')])
  await log.close()
  const again = await open()
  expect(again.identity).toBe(log.identity)
  expect((await again.range(2)).end).toBe(1)
  await expect(open({ partitions: 4 })).rejects.toThrow(/3 partitions, but 4 .*keep 3/)
  await expect(open({ dataset: 'other' })).rejects.toThrow(/belongs to dataset 'd'/)
  await expect(open({ partitions: 0 })).rejects.toThrow(RangeError)
})

test('leaves a file of another program as it is, and says whose it is not', async () => {
  const text = join(folder, 'text')
  writeFileSync(text, 'this is no database, but long enough to be looked at '.repeat(20))
  await expect(open({ file: text })).rejects.toMatchObject({ reason: 'damaged', file: text })
  const other = join(folder, 'other.sqlite')
  const db = new DatabaseSync(other)
  db.exec('CREATE TABLE theirs (x)')
  db.close()
  const before = readFileSync(other)
  await expect(open({ file: other })).rejects.toMatchObject({ reason: 'foreign' })
  expect(readFileSync(other).equals(before)).toBe(true)
  await expect(open({ file: join(folder, 'nowhere', 'log') })).rejects.toThrow(/nowhere.*check that its folder exists/)
})

test('opened many times at once, it is created once', async () => {
  const logs = await Promise.all(Array.from({ length: 8 }, () => open()))
  expect(new Set(logs.map((log) => log.identity)).size).toBe(1)
})

test('refuses a record over the limit by name, and goes on', async () => {
  const log = await open({ recordBytesMax: 10 })
  await expect(log.append([lines(0, '{"long":"xxxxxxxxx"}')])).rejects.toThrow(/recordBytesMax is 10/)
  expect(await log.append([lines(0, '{}')])).toEqual([{ partition: 0, start: 0, end: 1 }])
})

test('while more waits than waitingBytesMax, append waits, first come, first served', async () => {
  const log = await open({ waitingBytesMax: 10 })
  const done: number[] = []
  const texts = Array.from({ length: 20 }, (_, i) => JSON.stringify('x'.repeat(1 + ((i * 7) % 15))))
  await Promise.all(texts.map((text, i) => log.append([lines(0, text)]).then(([range]) => done.push(range!.start - i))))
  expect(done).toEqual(Array.from({ length: 20 }, () => 0))
})

test('readers do not see what is not committed yet, and see it before it is acknowledged', async () => {
  const seen: [string, number][] = []
  const reader = await open()
  const log: SqliteLog = await open({
    step: async (step) => {
      for (const each of [reader, log]) seen.push([step, (await each.range(0)).end])
    },
  })
  await log.append([lines(0, '{}')])
  expect(seen).toEqual([
    ['append:before-commit', 0],
    ['append:before-commit', 0],
    ['append:committed', 1],
    ['append:committed', 1],
  ])
})

test('an append that fails before its commit leaves nothing, and the next one is taken', async () => {
  let failed = false
  const log = await open({
    step: () => {
      if (failed) return
      failed = true
      throw new Error('no luck')
    },
  })
  await expect(log.append([lines(0, '{}'), lines(1, '{}')])).rejects.toThrow(/no luck/)
  expect((await log.range(1)).end).toBe(0)
  expect(await log.append([lines(0, '{}')])).toEqual([{ partition: 0, start: 0, end: 1 }])
})

test('waits for a lock of another process without standing still', async () => {
  const log = await open()
  const other = new DatabaseSync(file)
  other.exec('BEGIN IMMEDIATE')
  const appended = log.append([lines(0, '{}')])
  for (let i = 0; i < 5; i++) await turn()
  expect((await log.range(0)).end).toBe(0)
  other.exec('ROLLBACK')
  other.close()
  expect(await appended).toEqual([{ partition: 0, start: 0, end: 1 }])
})

test('trims in steps, beside appends and reads of the same blocks', async () => {
  const log = await open()
  const other = await open()
  for (let i = 0; i < 100; i++) await log.append([lines(0, `{"i":${i}}`)])
  const trimmed = log.trim(0, 95, Number.POSITIVE_INFINITY)
  const starts = new Set<number>()
  for (let i = 0; i < 20; i++) {
    await other.append([lines(0, '{}')])
    const { start } = await other.range(0)
    starts.add(start)
    expect((await other.read(0, Math.max(start, 95), LIMITS))!.lines.toString()).toMatch(/^\{"i":95\}/)
  }
  expect(await trimmed).toBe(95)
  expect(starts.size).toBeGreaterThan(3)
  expect((await other.range(0)).end).toBe(120)
})

test('the write-ahead file that a slow reader let grow becomes small when it lets go', async () => {
  const log = await open()
  const held = new DatabaseSync(file)
  held.exec('BEGIN')
  held.prepare('SELECT count(*) FROM log_blocks').get()
  const big = lines(0, ...Array.from({ length: 16 }, () => `"${'x'.repeat(1024 * 1024 - 3)}"`))
  for (let mebibytes = 0; mebibytes <= WAL_BYTES_MAX / 1024 / 1024; mebibytes += 16) await log.append([big])
  const wal = () => readFileSync(`${file}-wal`).length
  expect(wal()).toBeGreaterThan(WAL_BYTES_MAX)
  held.exec('COMMIT')
  held.close()
  for (let i = 0; i < 4; i++) await log.append([big])
  expect(wal()).toBeLessThanOrEqual(WAL_BYTES_MAX)
})

test('a block that is not as it was appended, or is gone, is told and never read', async () => {
  const log = await open()
  await log.append([lines(0, '{"a":1}')])
  await log.append([lines(0, '{"a":2}')])
  await log.append([lines(0, '{"a":3}')])
  const db = new DatabaseSync(file)
  db.exec(`UPDATE log_blocks SET bytes = CAST('{"a":9}' || char(10) AS BLOB) WHERE start = 1`)
  await expect(log.read(0, 0, LIMITS)).rejects.toThrow(/log\.sqlite: partition 0: the records \[1, 2\) differ from/)
  db.exec('DELETE FROM log_blocks WHERE start = 1')
  await expect(log.read(0, 0, LIMITS)).rejects.toThrow(/partition 0 has no offset 1.*restore/)
  await expect(log.read(0, 1, LIMITS)).rejects.toThrow(/partition 0 has no offset 1/)
  expect((await log.read(0, 2, LIMITS))!.lines.toString()).toBe('{"a":3}\n')
  db.close()
})

test('deleted under an open log, nothing more is acknowledged', async () => {
  const log = await open()
  await log.append([lines(0, '{}')])
  expect(log.refusal).toBeNull()
  rmSync(file)
  expect(log.refusal).toMatch(/the file was deleted or replaced/)
  symlinkSync(file, file)
  expect(log.refusal).toMatch(/the file cannot be found any more.*ELOOP/)
  await expect(log.append([lines(0, '{}')])).rejects.toMatchObject({ reason: 'replaced', retryable: false, file })
})

test('a file with smaller pages, as earlier versions made it, is read and appended to', async () => {
  const log = await open()
  await log.append([lines(0, '{"a":1}')])
  await log.close()
  const db = new DatabaseSync(file)
  expect(db.prepare('PRAGMA page_size').get()).toEqual({ page_size: 16_384 })
  db.exec('PRAGMA journal_mode = DELETE; PRAGMA page_size = 4096; VACUUM')
  db.close()
  const again = await open()
  await again.append([lines(0, '{"a":2}')])
  expect(textOf(await readAll(again, 0))).toBe('{"a":1}\n{"a":2}\n')
  await again.close()
  const seen = new DatabaseSync(file)
  expect(seen.prepare('PRAGMA page_size').get()).toEqual({ page_size: 4_096 })
  seen.close()
})

test('a torn file is told as damaged, whether on opening or on reading', async () => {
  const log = await open()
  await log.append([lines(0, ...Array.from({ length: 3_000 }, (_, i) => `{"i":${i},"text":"${'x'.repeat(50)}"}`))])
  await log.close()
  const torn = join(folder, 'torn.sqlite')
  copyFileSync(file, torn)
  truncateSync(torn, 40_000)
  const found = await open({ file: torn })
    .then((again) => readAll(again, 0))
    .catch((error: unknown) => error)
  expect(found).toMatchObject({ reason: 'damaged', file: torn })
})

test('a full disk refuses appends, loses none, and takes them again when space returns', async ({ skip }) => {
  const disk = smallDisk('3m')
  if (disk === null) return skip()
  try {
    const ballast = join(disk.folder, 'ballast')
    writeFileSync(ballast, Buffer.alloc(1_500_000))
    const log = await open({ file: join(disk.folder, 'log.sqlite') })
    const acknowledged: string[] = []
    let refused: unknown
    for (let i = 0; refused === undefined && i < 10_000; i++) {
      const text = `{"i":${i},"text":"${'x'.repeat(20_000)}"}`
      await log.append([lines(0, text)]).then(
        () => acknowledged.push(`${text}\n`),
        (error: unknown) => {
          refused = error
        },
      )
    }
    expect(refused).toMatchObject({ reason: 'full', retryable: true })
    expect((refused as Error).message).toMatch(/log\.sqlite: appending: .*Free space/)
    expect(acknowledged.length).toBeGreaterThan(3)
    expect(textOf(await readAll(log, 0))).toBe(acknowledged.join(''))
    await expect(log.append([lines(0, `"${'x'.repeat(200_000)}"`)])).rejects.toMatchObject({ reason: 'full' })
    await expect(open({ file: join(disk.folder, 'another.sqlite') })).rejects.toMatchObject({ reason: 'full' })
    rmSync(ballast)
    expect(await log.append([lines(0, '{"back":1}')])).toEqual([
      { partition: 0, start: acknowledged.length, end: acknowledged.length + 1 },
    ])
    await log.close()
    const again = await open({ file: join(disk.folder, 'log.sqlite') })
    expect(textOf(await readAll(again, 0))).toBe(`${acknowledged.join('')}{"back":1}\n`)
    await again.close()
  } finally {
    disk.remove()
  }
})

test('a read-only disk is told by its file', async ({ skip }) => {
  const disk = smallDisk('3m')
  if (disk === null) return skip()
  try {
    const place = join(disk.folder, 'log.sqlite')
    await (await open({ file: place })).close()
    disk.makeReadOnly()
    await expect(open({ file: place })).rejects.toThrow(/log\.sqlite: opening it: .*(written|permission|may write)/)
    await expect(open({ file: join(disk.folder, 'new') })).rejects.toThrow(/new: opening it: .*may write there/)
  } finally {
    disk.remove()
  }
})

test('an examination reads every block, and names what is damaged or missing', async () => {
  const log = await open({ blockBytesMax: 20 })
  for (let i = 0; i < 20; i++) await log.append([lines(0, '{"a":1}', '{"b":2}', '{"c":3}'), lines(1, '{}')])
  await log.trim(0, 10, Date.now() + 60_000)
  for (const partition of [0, 1, 2]) await log.examine(partition)
  const db = new DatabaseSync(file)
  const damaged = async (sql: string): Promise<unknown> => {
    db.exec(`SAVEPOINT whole; ${sql}; RELEASE whole`)
    return log.examine(0).catch((error: Error) => error.message)
  }
  try {
    expect(await damaged('UPDATE log_ends SET "end" = 61 WHERE partition = 0')).toMatch(/has no offset 60/)
    expect(await damaged('UPDATE log_ends SET "end" = 59 WHERE partition = 0')).toMatch(/ends at offset 59, but has/)
    expect(await damaged('UPDATE log_ends SET "end" = 60 WHERE partition = 0')).toBeUndefined()
    const changed = `UPDATE log_blocks SET bytes = replace(bytes, 'c', 'd') WHERE partition = 0 AND start = 56`
    expect(await damaged(changed)).toMatch(/the records \[56, 57\) differ from those that were appended/)
    expect(await damaged('DELETE FROM log_blocks WHERE partition = 0 AND start = 30')).toMatch(/has no offset 30/)
  } finally {
    db.close()
  }
  await log.examine(1)
})

test('the file holds the keys of the window, not of history, and says nothing of keys before one is used', async () => {
  let nowMs = 1_000
  const log = await open({ keys: { keepMs: 1_000 }, clock: () => nowMs })
  const db = new DatabaseSync(file)
  const tables = (): number =>
    (db.prepare("SELECT count(*) n FROM sqlite_master WHERE name = 'log_keys'").get() as { n: number }).n
  await log.append([lines(0, '{}')])
  expect(tables()).toBe(0)
  for (let key = 0; key < 100; key++) {
    nowMs += 100
    await log.appendOnce([lines(0, '{}')], { key: `k${key}`, fingerprint: 'f' })
    const { n } = db.prepare('SELECT count(*) n FROM log_keys').get() as { n: number }
    expect(n).toBeLessThanOrEqual(11)
  }
  db.close()
  expect((await log.range(0)).end).toBe(101)
})

test('the bytes of keys in the file are bounded', async () => {
  let nowMs = 1_000
  const log = await open({ keys: { keepMs: 1_000, bytesMax: 5_000 }, clock: () => nowMs })
  let count = 0
  const fill = async (): Promise<never> => {
    for (;;) await log.appendOnce([lines(0, '{}')], { key: `${'k'.repeat(200)}${count++}`, fingerprint: 'f' })
  }
  await expect(fill()).rejects.toThrow(TooManyKeysError)
  expect(count).toBeLessThan(5_000 / 200 + 2)
  nowMs += 1_000
  const before = count
  await expect(fill()).rejects.toThrow(TooManyKeysError)
  expect(count).toBeGreaterThan(before)
})

test('what is refused under a key leaves the other appends of its commit alone', async () => {
  const log = await open()
  await log.appendOnce([lines(0, '{}')], { key: 'k', fingerprint: 'f' })
  const [plain, reused, keyed] = await Promise.allSettled([
    log.append([lines(0, '{"plain":1}')]),
    log.appendOnce([lines(0, '{"reused":1}')], { key: 'k', fingerprint: 'other' }),
    log.appendOnce([lines(0, '{"keyed":1}')], { key: 'k2', fingerprint: 'f' }),
  ])
  expect([plain.status, reused.status, keyed.status]).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  expect(textOf(await readAll(log, 0))).toBe('{}\n{"plain":1}\n{"keyed":1}\n')
})
