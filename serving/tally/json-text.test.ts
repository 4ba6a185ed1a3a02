/** Texts are the engine's, to the byte. */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import { jsonDouble, jsonText } from './json-text.ts'

let engine: DuckDbEngine
let connection: EngineConnection

beforeAll(async () => {
  engine = await DuckDbEngine.open({ folders: [], threads: 1 })
  connection = await engine.connect()
})

afterAll(() => {
  connection.close()
  engine.close()
})

async function engineJson(values: readonly string[]): Promise<readonly unknown[]> {
  const [texts] = await connection.columns(
    `SELECT to_json(x)::VARCHAR FROM (SELECT unnest([${values.join(', ')}]) AS x)`,
  )
  return texts!
}

test('doubles of all sizes', async () => {
  const powers = Array.from({ length: 61 }, (_, at) => [1, 1.5, -9.87654321].map((x) => x * 10 ** (at - 30)))
  const any = fc.sample(fc.double({ noNaN: true, noDefaultInfinity: true }), 2_000).map((x) => x + 0)
  const values = [...powers.flat(), ...any, 2 ** 53, Number.MAX_VALUE, 5e-324]
  expect(values.map(jsonDouble)).toEqual(await engineJson(values.map((x) => `'${x}'::DOUBLE`)))
})

test('control characters, backslashes and all of Unicode', async () => {
  const control = Array.from({ length: 160 }, (_, at) => String.fromCharCode(at + 1))
  const any = fc.sample(fc.string({ unit: 'binary', maxLength: 9 }), 1_000).filter((text) => !text.includes('\0'))
  const values = [...control, '\\u001f', '\\\\u001f\u001f', '"/', '\u2028', '\ufffe', '😀', ...any]
  const literals = values.map((text) => `'${text.replaceAll("'", "''")}'`)
  expect(values.map((text) => jsonText(text))).toEqual(await engineJson(literals))
})
