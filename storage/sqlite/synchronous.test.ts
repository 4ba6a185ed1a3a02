/** How durable a commit is in the embedded files, asked of the connections themselves. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { SqliteDictionary } from '../dictionary/sqlite/sqlite-dictionary.ts'
import { SqliteLog } from '../log/sqlite/sqlite-log.ts'
import { SqliteSpeedStore } from '../speed-store/sqlite/sqlite-speed-store.ts'

/** https://sqlite.org/pragma.html#pragma_synchronous */
const [NORMAL, FULL] = [1, 2]

let folder: string
let connections: Set<DatabaseSync>
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'synchronous-'))
  connections = new Set()
  const { exec } = DatabaseSync.prototype
  vi.spyOn(DatabaseSync.prototype, 'exec').mockImplementation(function (this: DatabaseSync, sql) {
    connections.add(this)
    return exec.call(this, sql)
  })
})
afterEach(async () => {
  vi.restoreAllMocks()
  await rm(folder, { recursive: true })
})

/** Of every connection that is open, after it was used. */
function modes(): readonly unknown[] {
  const ask = (connection: DatabaseSync, name: string): unknown =>
    Object.values(connection.prepare(`PRAGMA ${name}`).get()!)[0]
  return [...connections].map((connection) => [ask(connection, 'synchronous'), ask(connection, 'journal_mode')])
}

test('an append to the log and a published dictionary are on disk when they are acknowledged', async () => {
  const log = await SqliteLog.open({ file: join(folder, 'log.sqlite'), dataset: 'd', partitions: 1 })
  await log.append([{ partition: 0, lines: Buffer.from('1\n'), count: 1 }])
  expect(modes()).toEqual(Array(2).fill([FULL, 'wal']))
  await log.close()
  connections.clear()
  const dictionary = await SqliteDictionary.open({ file: join(folder, 'dictionary.sqlite') })
  await dictionary.publish('d', [{ key: 'k', attributes: {} }])
  expect(modes()).toEqual([[FULL, 'wal']])
  await dictionary.close()
})

test('a power loss takes whole flushes back from the speed store, never a part of one', async () => {
  const store = await SqliteSpeedStore.open({ file: join(folder, 'speed.sqlite'), dataset: 'd' })
  expect(modes()).toEqual([[NORMAL, 'wal']])
  await store.close()
})
