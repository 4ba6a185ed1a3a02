import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, rmSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { StepName } from '#core/steps.ts'
import { smallDisk } from '#storage/log/small-disk.ts'
import { expectDamageIsFound } from '../speed-damage-contract.ts'
import { marker, partial } from '../speed-store-contract.ts'
import { SqliteSpeedStore, type SqliteSpeedStoreOptions } from './sqlite-speed-store.ts'

let folder: string
let file: string
let told: string[]
const opened: SqliteSpeedStore[] = []
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'speed-'))
  file = join(folder, 'speed.sqlite')
  told = []
})
afterEach(async () => {
  for (const store of opened.splice(0)) await store.close()
  rmSync(folder, { recursive: true, force: true })
})

async function open(more: Partial<SqliteSpeedStoreOptions> = {}): Promise<SqliteSpeedStore> {
  const store = await SqliteSpeedStore.open({ file, dataset: 'd', onRebuilt: (reason) => told.push(reason), ...more })
  opened.push(store)
  return store
}
const many = (version: number, count = 500) => Array.from({ length: count }, (_, i) => partial(`key ${i}`, version))
const zero = new Map([[0, 0]])
function overwrite(bytes: number): void {
  const handle = openSync(file, 'r+')
  writeSync(handle, Buffer.alloc(bytes, 7), 0, bytes, 8_192)
  closeSync(handle)
}

test.each([
  ['torn', () => truncateSync(file, 5_000)],
  ['empty of sense', () => writeFileSync(file, 'no database at all '.repeat(99))],
  ['overwritten in the middle', () => overwrite(9_000)],
  [
    'of another format',
    () => {
      const db = new DatabaseSync(file)
      db.exec('PRAGMA user_version = 99')
      db.close()
    },
  ],
])('a file that is %s is replaced by an empty store, and said', async (_, damage) => {
  const store = await open()
  await store.flush(many(1), marker(1))
  await store.close()
  damage()
  const again = await open()
  expect(told).toHaveLength(1)
  expect(told[0]).toMatch(/speed\.sqlite is unusable \(.*\) and was recreated; the open segments are folded again/)
  expect((await again.markers()).size).toBe(0)
  await again.flush([partial('a', 1)], marker(1))
  expect((await again.markers()).size).toBe(1)
})

test('what survived a clean end or another handle is not dropped', async () => {
  await (await open()).flush(many(1), marker(1))
  const other = await open()
  expect((await other.read(['v1'], zero)).rows.get('v1')).toHaveLength(500)
  expect(told).toEqual([])
})

test('belongs to one dataset; the partials of another log are dropped, and said', async () => {
  await (await open({ log: 'one' })).flush([partial('a', 5)], marker(5))
  await expect(open({ dataset: 'other' })).rejects.toThrow(/belongs to dataset 'd', not 'other'/)
  expect((await (await open()).markers()).size).toBe(1)
  expect((await (await open({ log: 'one' })).markers()).size).toBe(1)
  expect(told).toEqual([])
  const next = await open({ log: 'two' })
  expect(told).toEqual([expect.stringMatching(/belonged to log one, but this log is two/)])
  const { markers, rows } = await next.read(['v1'], zero)
  expect([markers.size, rows.get('v1')]).toEqual([0, []])
})

test('another program’s database is refused and kept', async () => {
  const db = new DatabaseSync(file)
  db.exec('CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)')
  await expect(open()).rejects.toMatchObject({ reason: 'foreign', file })
  expect(db.prepare('SELECT count(*) AS n FROM theirs').get()).toEqual({ n: 1 })
  db.close()
})

test.each([
  ['the other partition', async () => {}],
  ['a reader', async (store: SqliteSpeedStore) => void (await store.markers())],
  ['the clean-up', async (store: SqliteSpeedStore) => void (await store.deleteClosed(0, 1, 9))],
])(
  'deleted under two owners and first found so by %s, no marker stands over partials that are gone',
  async (_, find) => {
    const [owner, reader] = [await open(), await open()]
    const one = { partition: 1 }
    await owner.flush([partial('a', 1)], marker(1))
    await owner.flush([partial('a', 1, one)], marker(1, one))
    for (const suffix of ['-wal', '-shm', '']) rmSync(`${file}${suffix}`, { force: true })
    await find(owner)
    await expect(owner.flush([partial('b', 2)], marker(2))).rejects.toMatchObject({ reason: 'replaced', file })
    await expect(owner.flush([partial('b', 2, one)], marker(2, one))).rejects.toThrow(/folded again/)
    expect((await reader.markers()).size).toBe(0)
    await owner.flush([partial('a', 2), partial('b', 2)], marker(2))
    expect((await reader.read(['v1'], zero)).rows.get('v1')).toHaveLength(2)
    expect((await reader.markers()).size).toBe(1)
  },
)

test('damaged under an owner, the flush fails, and a store that works is open', async () => {
  const owner = await open()
  await owner.flush(many(1, 5_000), marker(1))
  await owner.close()
  const [again, other] = [await open(), await open()]
  overwrite(400_000)
  // A commit of another handle, so that the owner reads the file and not what it remembers.
  await other.flush([], marker(1, { partition: 1 }))
  await expect(again.flush(many(2, 5_000), marker(2))).rejects.toMatchObject({ reason: 'damaged' })
  expect(told).toHaveLength(1)
  await again.flush(many(2, 5_000), marker(2))
  for (const store of [again, other]) expect((await store.read(['v1'], zero)).rows.get('v1')).toHaveLength(5_000)
})

test('a flush that fails before its transaction writes nothing; one that dies behind it has written all', async () => {
  for (const [at, rows] of [
    ['flush:before', 0],
    ['flush:written', 3],
  ] as const) {
    const step = (name: StepName) => {
      if (name === at) throw new Error('killed')
    }
    const dying = await open({ file: `${file}-${rows}`, step })
    await expect(dying.flush(many(1, 3), marker(1))).rejects.toThrow('killed')
    const { markers, rows: found } = await (await open({ file: `${file}-${rows}` })).read(['v1'], zero)
    expect([markers.size > 0, found.get('v1')!.length]).toEqual([rows > 0, rows])
  }
})

test('the write-ahead file stays small over many flushes beside a reader', async () => {
  const [owner, reader] = [await open(), await open()]
  for (let version = 1; version <= 60; version++) {
    await owner.flush(many(version, 2_000), marker(version))
    await reader.read(['v1'], zero)
  }
  expect(statSync(`${file}-wal`).size).toBeLessThan(40 * 1024 * 1024)
  expect((await reader.read(['v1'], zero)).rows.get('v1')).toHaveLength(2_000)
})

const CHILD = `
  import { SqliteSpeedStore } from '${join(import.meta.dirname, 'sqlite-speed-store.ts')}'
  const store = await SqliteSpeedStore.open({ file: process.argv[1], dataset: 'd' })
  const begin = ((await store.markers()).get(0)?.through ?? 0) + 1
  for (let version = begin; ; version++) {
    const partials = Array.from({ length: 300 }, (_, i) =>
      ({ view: 'v1', partition: 0, segmentStart: 0, key: 'key ' + i, pane: null, version, row: String(version) }))
    await store.flush(partials, { partition: 0, segmentStart: 0, through: version, atMs: 0, rows: 0, deadLetters: 0, lateRows: 0, timeMaxMs: null, views: ['v1'] })
    process.stdout.write('.')
  }`

test('kill -9 in the middle of a flush leaves rows and marker of one moment', async () => {
  let through = 0
  for (let round = 0; round < 5; round++) {
    const words = ['--input-type=module', '-e', CHILD, file]
    const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] })
    const exited = once(child, 'exit')
    let flushes = 0
    for await (const dots of child.stdout) {
      flushes += (dots as Buffer).length
      if (flushes > 10 + round) child.kill('SIGKILL')
    }
    await exited
    const store = await open()
    const { markers, rows } = await store.read(['v1'], zero)
    expect(new Set(rows.get('v1'))).toEqual(new Set([String(markers.get(0)!.through)]))
    expect(rows.get('v1')).toHaveLength(300)
    expect(markers.get(0)!.through).toBeGreaterThanOrEqual(through + flushes)
    through = markers.get(0)!.through
    await store.close()
  }
  expect(told).toEqual([])
})

test('a full disk refuses the flush as a whole, still answers, and goes on when space returns', async ({ skip }) => {
  const disk = smallDisk('3m')
  if (disk === null) return skip()
  try {
    const ballast = join(disk.folder, 'ballast')
    writeFileSync(ballast, Buffer.alloc(1_500_000))
    const store = await open({ file: join(disk.folder, 'speed.sqlite') })
    await store.flush(many(1), marker(1))
    const wide = many(2, 9_000).map((row) => ({ ...row, row: `{"x":"${'x'.repeat(300)}"}` }))
    await expect(store.flush(wide, marker(2))).rejects.toThrow(/speed\.sqlite: flushing partition 0.*disk is full/)
    const { markers, rows } = await store.read(['v1'], zero)
    expect([markers.get(0)!.through, rows.get('v1')!.length]).toEqual([1, 500])
    rmSync(ballast)
    await store.flush(many(3), marker(3))
    expect((await store.markers()).get(0)!.through).toBe(3)
    await store.close()
  } finally {
    disk.remove()
  }
})

test('a read of more rows than its limit is refused with its name, and takes nothing into memory', async () => {
  const store = await open({ openRowsBytesMax: 2_000 })
  await store.flush([partial('a', 1)], marker(1))
  expect((await store.read([partial('a', 1).view], zero)).markers.size).toBe(1)
  await store.flush(many(2), marker(2))
  await expect(store.read([partial('a', 1).view], zero)).rejects.toMatchObject({
    reason: 'too-large',
    message: expect.stringMatching(/more than openRowsBytesMax = 2000 bytes of rows; close segments sooner/),
  })
})

test('a row that was changed is not read, and the error says what heals', async () => {
  const db = new DatabaseSync(file)
  const change = db.prepare.bind(db, `UPDATE partials SET "row" = replace("row", '3', '4') WHERE key = ?`)
  await expectDamageIsFound({ store: await open(), damageRow: async (key) => void change().run(key) })
  db.close()
})

test('rows of panes that are not asked for do not count against the limit of a read', async () => {
  const store = await open({ openRowsBytesMax: 2_000 })
  const others = many(2).map((row) => ({ ...row, pane: 120_000 }))
  await store.flush([...others, partial('mine', 2, { pane: 60_000 })], marker(2))
  const { rows } = await store.read(['v1'], zero, { fromMs: 60_000, beforeMs: 120_000 })
  expect(rows.get('v1')).toEqual([partial('mine', 2).row])
})

test('a file of the format before is read on, and its rows are checked from then on', async () => {
  const store = await open()
  await store.flush([partial('a', 3)], marker(3))
  await store.close()
  const db = new DatabaseSync(file)
  db.exec('ALTER TABLE partials DROP COLUMN crc; ALTER TABLE markers DROP COLUMN last; PRAGMA user_version = 2')
  db.close()
  const [again, third] = [await open(), await open()]
  expect(told).toEqual([])
  expect(await again.markers()).toEqual(new Map([[0, marker(3)]]))
  expect((await third.read(['v1'], zero)).rows.get('v1')).toEqual([partial('a', 3).row])
  const last = { offset: 4, arrivalMs: 7, sha256: 'a'.repeat(64) }
  await again.flush([partial('a', 5)], marker(5, { last }))
  expect((await third.markers()).get(0)).toEqual(marker(5, { last }))
})
