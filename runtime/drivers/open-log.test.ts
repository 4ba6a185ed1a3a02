import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Marker } from '#storage/speed-store/speed-store.ts'
import { SqliteSpeedStore } from '#storage/speed-store/sqlite/sqlite-speed-store.ts'
import type { DataFolder } from './data-folder.ts'
import { type OpenLogOptions, openLog } from './open-log.ts'

const COUNTED: Marker = {
  partition: 0,
  segmentStart: 0,
  through: 3,
  atMs: 1,
  views: [],
  rows: 3,
  deadLetters: 0,
  lateRows: 0,
  timeMaxMs: null,
}

let path: string
let options: OpenLogOptions
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'watershed-open-log-'))
  const folder = { logFile: () => join(path, 'log.sqlite'), speedFile: () => join(path, 'speed.sqlite') }
  options = {
    dataset: 'shop',
    folder: folder as unknown as DataFolder,
    configuration: { log: 'sqlite', partitions: 1, recordBytesMax: 1_000 } as OpenLogOptions['configuration'],
    emit: () => {},
    step: async () => {},
  }
})
afterEach(() => rmSync(path, { recursive: true }))

test('no new log is made beside a speed store that counts events of a missing one', async () => {
  const log = await openLog(options)
  const store = await SqliteSpeedStore.open({ file: join(path, 'speed.sqlite'), dataset: 'shop', log: log.identity })
  await store.flush([], COUNTED)
  await store.close()
  await log.close()
  for (const suffix of ['', '-wal', '-shm']) rmSync(join(path, `log.sqlite${suffix}`), { force: true })
  const before = readFileSync(join(path, 'speed.sqlite'))
  await expect(openLog(options)).rejects.toThrow(
    /log file .* is missing, but the speed store counts events of it: restore the log/,
  )
  expect(existsSync(join(path, 'log.sqlite'))).toBe(false)
  expect(readFileSync(join(path, 'speed.sqlite')).equals(before)).toBe(true)
})

test('a new log is made where nothing counts events of another one', async () => {
  const first = await openLog(options)
  await SqliteSpeedStore.open({ file: join(path, 'speed.sqlite'), dataset: 'shop', log: first.identity }).then(
    (store) => store.close(),
  )
  await first.close()
  rmSync(join(path, 'log.sqlite'))
  const second = await openLog(options)
  expect(second.identity).not.toBe(first.identity)
  await second.close()
})
