/** Every allowed function has the same values on DuckDB and on a real Trino, or is refused for Trino with a reason. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { TRINO_RULES, trinoExpression } from '#core/dialects/trino-expression.ts'
import { ALLOWED_FUNCTIONS } from '#core/expression.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import { TrinoClient } from '#storage/trino/trino-client.ts'
import { sharedTrino, whyNoTrino } from '../servers/trino-server.ts'
import { type Asked, differencesOf } from './compare-engines.ts'
import { COMPARED, COMPARED_OPERATORS } from './compared-expressions.ts'
import { VALUE_COLUMNS, valueRows, valuesSql } from './compared-values.ts'

const ROWS = 200
/** expressions of a statement */
const TOGETHER = 45
const TABLE = 'compared_values'

let folder: string
let engine: DuckDbEngine
let connection: EngineConnection
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'watershed-trino-'))
  engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
  connection = await engine.connect()
})
afterAll(() => {
  engine.close()
  rmSync(folder, { recursive: true, force: true })
})

test('every allowed function is either compared or refused', () => {
  const refused = Object.entries(TRINO_RULES).flatMap(([name, rule]) => (typeof rule === 'string' ? [name] : []))
  expect([...Object.keys(COMPARED), ...refused].toSorted()).toEqual(
    expect.arrayContaining([...ALLOWED_FUNCTIONS].toSorted()),
  )
  expect(Object.keys(COMPARED).filter((name) => refused.includes(name))).toEqual([])
})

test.each([
  ['sin(x)', 'sin(): its last digits differ between the mathematical libraries of the two engines'],
  ['reverse(s)', 'reverse(): DuckDB keeps combined characters together, Trino does not'],
  [
    "j->>'a'",
    '->>(): the engines write the numbers and read the paths of JSON differently; read the value by the path of a column of its own',
  ],
  ['s::INTEGER', 'VARCHAR is not converted to INTEGER in the same way'],
  ["i > 'many'", "the text 'many' is not read as INTEGER in the same way"],
  ['s = n', 'VARCHAR and BIGINT are not compared in the same way; cast one of them'],
  ['e::DOUBLE', 'DECIMAL(38,10) is not converted to DOUBLE in the same way'],
  ['n::UBIGINT', 'BIGINT is not converted to UBIGINT in the same way'],
  ['list_distinct(l)', 'DuckDB does not define the order of this list; sort it with list_sort()'],
  ['l[1:2]', 'array slice has no translation'],
  ['i + 1 > 5', /^a number that can overflow is not compared with a constant in the same way/],
  ['(i + 1)::BIGINT > 5', /^a number that can overflow is not compared with a constant in the same way/],
  ['d::DECIMAL(6,2) > 1.5', /^a number that can overflow is not compared with a constant in the same way/],
  ['n::INTEGER BETWEEN 1 AND m', /^a number that can overflow is not compared with a constant in the same way/],
  [
    'CASE WHEN b AND n * n > 5 THEN 1 END',
    'case by AND, OR or BETWEEN of what can fail: DuckDB evaluates only as much of it as decides',
  ],
  ['day + i', 'a date + days has a translation for a number that is written in the expression only'],
  ["date_trunc('decade', t)", "date_trunc() of 'decade' has no translation"],
  ["regexp_matches(s, '(?i)a')", "the pattern '(?i)a' repeats what is not a character, a class or a group"],
  ["regexp_matches(s, '\\bx')", /^the pattern '\\bx' has no translation, at '\\bx'; literal characters/],
  ["regexp_matches(s, '(a*)*')", "the pattern '(a*)*' repeats a group that can be empty"],
])('%s is refused', async (text, reason) => {
  const found = await trinoExpression(connection, text, VALUE_COLUMNS)
  expect(found).toEqual({ refused: typeof reason === 'string' ? reason : expect.stringMatching(reason) })
})

describe.skipIf(whyNoTrino() !== null)('on a real Trino', () => {
  let asked: Asked
  beforeAll(async () => {
    const client = new TrinoClient({ url: await sharedTrino(), catalog: 'memory', schema: 'default' })
    const trino = async (sql: string) => (await client.query(sql)).rows
    const rows = valueRows(ROWS)
    await connection.run(`CREATE TEMP TABLE ${TABLE} AS ${valuesSql('duckdb', rows)}`)
    await trino(`DROP TABLE IF EXISTS ${TABLE}`)
    await trino(`CREATE TABLE ${TABLE} AS ${valuesSql('trino', rows)}`)
    asked = { connection, trino, table: TABLE }
  })
  afterAll(() => asked?.trino(`DROP TABLE ${TABLE}`))

  const all = [...Object.values(COMPARED).flat(), ...COMPARED_OPERATORS]
  const parts = Array.from({ length: Math.ceil(all.length / TOGETHER) }, (_, at) =>
    all.slice(at * TOGETHER, (at + 1) * TOGETHER),
  )
  test.each(parts)('%s, and so on, are equal', async (...expressions) => {
    expect(await differencesOf(asked, expressions)).toEqual([])
  })

  test.each<[string, string, string]>([
    ['lower', 'lower(c)', 'lower("c") <> "c"'],
    ['upper', 'upper(c)', 'upper("c") <> "c"'],
    ['trim', "trim(c || 'x')", `length(trim("c" || 'x')) < 2`],
  ])('%s is equal for every character of Unicode', async (_name, text, changes) => {
    const found = await trinoExpression(connection, text, new Map([['c', 'VARCHAR']]))
    if ('refused' in found) throw new Error(found.refused)
    const expected = await connection.rows<{ p: number; r: string }>(
      `SELECT p::INTEGER AS p, ${text} AS r FROM (SELECT range AS p, chr(range::INTEGER) AS c
        FROM (SELECT * FROM range(1, 55296) UNION ALL SELECT * FROM range(57344, 1114112))) WHERE ${changes} ORDER BY p`,
    )
    const actual = await asked.trino(
      `SELECT p, ${found.sql} FROM (SELECT p, chr(p) AS "c" FROM (
        SELECT CASE WHEN q < 55296 THEN q ELSE q + 2048 END AS p FROM (
          SELECT high * 1088 + low + 1 AS q FROM UNNEST(sequence(0, 1023)) AS a(high) CROSS JOIN UNNEST(sequence(0, 1087)) AS b(low)
        ) WHERE q + 2048 <= 1114111)) WHERE ${found.sql} <> ${text.includes('x') ? `"c" || 'x'` : '"c"'} ORDER BY p`,
    )
    expect(actual).toEqual(expected.map(({ p, r }) => [p, r]))
    expect(actual.length).toBeGreaterThan(15)
  })

  /** What one would write without looking. */
  const mistakes: Readonly<Record<string, string>> = {
    'i // -3': 'CAST(floor(CAST("i" AS double) / -3) AS integer)',
    'n % 7': '("n" % 7 + 7) % 7',
    'coalesce(i // 0, 5)': 'TRY(coalesce("i" / 0, 5))',
    'substr(s, 0, 2)': 'substr("s", 0, 2)',
    'substr(s, -4, 3)': 'substr("s", -4, 3)',
    "date_trunc('week', t)": `date_trunc('week', "t" + INTERVAL '1' DAY) - INTERVAL '1' DAY`,
    "date_diff('month', t, v)": `date_diff('month', "t", "v")`,
    "date_diff('week', t, v)": `date_diff('week', date_trunc('week', "t"), date_trunc('week', "v"))`,
    'epoch_ms(t)': 'CAST(floor(to_unixtime("t") * 1e3) AS bigint)',
    'dayofweek(t)': 'day_of_week("t")',
    'millisecond(t)': 'millisecond("t")',
    'x::INTEGER': 'TRY(CAST("x" AS integer))',
    'f::DOUBLE': 'CAST("f" AS double)',
    'upper(s)': 'upper("s")',
    'trim(s)': 'trim("s")',
    "split_part(s, ',', 2)": `split_part("s", ',', 2)`,
    "replace(s, '', 'x')": `replace("s", '', 'x')`,
    'concat(s, u)': 'concat("s", "u")',
    'greatest(n, m, 5)': 'greatest("n", "m", 5)',
    'list_contains(k, 2)': 'contains("k", 2)',
    'b AND n + n > 0': 'TRY("b" AND "n" + "n" > 0)',
    '-(-n)': 'TRY(-(-"n"))',
    't::VARCHAR': 'CAST("t" AS varchar)',
    'isnan(x / y)': 'is_infinite("x" / "y")',
    '(x - x) / 0 >= x': '("x" - "x") / 0e0 >= "x"',
  }
  test('a wrong translation of any kind is found', async () => {
    const expressions = Object.keys(mistakes)
    const wrong = (_sql: string, expression: string): string => mistakes[expression]!
    const found = new Set((await differencesOf({ ...asked, wrong }, expressions)).map(({ expression }) => expression))
    expect(expressions.filter((expression) => !found.has(expression))).toEqual([])
  })
})
