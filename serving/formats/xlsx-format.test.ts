/** Writing ends when the rows or the file fail; nothing waits for the other side. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import type { WrittenRows } from './answer-format.ts'
import { XLSX_FORMAT } from './xlsx-format.ts'

let folder: string
let engine: DuckDbEngine
let connection: EngineConnection
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'watershed-xlsx-'))
  engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
  connection = await engine.connect()
})
afterEach(() => {
  connection.close()
  engine.close()
  rmSync(folder, { recursive: true })
})

function rowsOf(sql: string): WrittenRows {
  const bound = { parameters: {} } as WrittenRows['bound']
  return { sql, bound, columns: [{ name: 'n', type: 'BIGINT' }], metaJson: '{}', connection }
}

const MANY = 'SELECT range AS n FROM range(160000)'

test('an error of the engine ends it, before and after the first rows', async () => {
  const file = join(folder, 'a.xlsx')
  await expect(XLSX_FORMAT.write(rowsOf('SELECT nothing AS n'), file)).rejects.toThrow('nothing')
  const late = rowsOf(`SELECT CASE WHEN n < 150000 THEN n ELSE error('too late') END AS n FROM (${MANY})`)
  await expect(XLSX_FORMAT.write(late, file)).rejects.toThrow('before the last row')
})

test('a file that cannot be written ends it, and the connection can be used again', async () => {
  await expect(XLSX_FORMAT.write(rowsOf(MANY), join(folder, 'none', 'a.xlsx'))).rejects.toThrow('ENOENT')
  expect(await connection.rows('SELECT 1 AS one')).toEqual([{ one: 1 }])
})

test('equal answers are equal files', async () => {
  const answer = { columns: [{ name: 'n', type: 'BIGINT' }], rowsJson: '[{"n":1}]', metaJson: '{"exact":true}' }
  const options = { bom: false, engine, scratchFolder: folder }
  expect(await XLSX_FORMAT.encode(answer, options)).toEqual(await XLSX_FORMAT.encode(answer, options))
})
