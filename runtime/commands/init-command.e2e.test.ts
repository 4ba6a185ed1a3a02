/** `watershed init` on files as people have them: the draft takes the very file in, and answers what plain code counts. */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url))
const run = promisify(execFile)

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'watershed-init-'))
})
afterEach(() => rm(folder, { recursive: true }))

async function watershed(...words: string[]): Promise<Record<string, unknown>> {
  const { stdout } = await run(process.execPath, [MAIN, ...words, '--json'], { cwd: folder })
  return JSON.parse(stdout) as Record<string, unknown>
}

/** Drafts, ingests and asks; returns what was drafted and the rows of its first view, keyed by the first dimension. */
async function tenMinutes(
  file: string,
  ...flags: string[]
): Promise<{ drafted: Record<string, unknown>; rows: Record<string, unknown>[] }> {
  const drafted = await watershed('init', file, ...flags)
  const { dataset, views, rejected } = drafted as { dataset: string; views: string[]; rejected: number }
  expect(rejected).toBe(0)
  const shared = ['--dataset', `./${dataset}.ts`, '--data', 'data']
  const csv = flags.filter((_, at) => flags[at - 1] === '--decimal-comma' || flags[at] === '--decimal-comma')
  expect(await watershed('ingest', dataset, file, ...csv, ...shared)).toMatchObject({ rejected: 0 })
  const { data } = (await watershed('query', dataset, views[0]!, ...shared)) as { data: Record<string, unknown>[] }
  return { drafted, rows: data }
}

function countsBy(values: readonly string[]): Record<string, number> {
  return Object.fromEntries([...Map.groupBy(values, (value) => value)].map(([value, all]) => [value, all.length]))
}

test('events of a code host: nested, optional, of mixed types, with arrays, compressed', async () => {
  const types = ['PushEvent', 'IssuesEvent', 'WatchEvent']
  const events = Array.from({ length: 90 }, (_, at) => ({
    id: String(22_249_084_964 + at),
    type: types[at % 3],
    actor: { id: at % 7, login: `user-${at % 7}`, avatar_url: 'https://example.org/a' },
    repo: { id: at % 5, name: `org/repo-${at % 5}` },
    payload:
      at % 3 === 0
        ? { push_id: at, size: at % 4, commits: [{ sha: 'ab12', message: 'a\nb', distinct: true }, { sha: 'cd' }] }
        : at % 3 === 1
          ? { action: 'opened', issue: { number: at, labels: [], assignee: null } }
          : { action: 'started' },
    public: true,
    created_at: new Date(Date.UTC(2026, 0, 1) + at * 61_000).toISOString().replace('.000', ''),
    ...(at % 10 === 0 ? { org: { id: 1, login: 'org' } } : {}),
  }))
  await writeFile(
    join(folder, '2026-01-01-15.json.gz'),
    gzipSync(events.map((event) => JSON.stringify(event)).join('\n')),
  )
  const { drafted, rows } = await tenMinutes('2026-01-01-15.json.gz', '--name', 'gh')
  expect(drafted).toMatchObject({ time: 'created_at', key: 'id', events: 90 })
  const counted = rows.reduce<number>((sum, row) => sum + (row.events as number), 0)
  expect(counted).toBe(90)
  const byType = Map.groupBy(rows, (row) => row.type as string)
  const sums = Object.fromEntries(
    [...byType].map(([type, own]) => [type, own.reduce((sum, row) => sum + (row.events as number), 0)]),
  )
  expect(sums).toEqual(countsBy(events.map((event) => event.type!)))
})

test('a semicolon CSV with decimal commas', async () => {
  const lines = Array.from(
    { length: 60 },
    (_, at) =>
      `2026-01-0${1 + (at % 3)} 0${at % 9}:10;${at % 2 ? '-' : ''}${at},5;${['SFO', '"LAX; T4"', 'JFK'][at % 3]}`,
  )
  await writeFile(join(folder, 'delays.csv'), `Date;Delay;Origin\n${lines.join('\r\n')}\n`)
  const { drafted, rows } = await tenMinutes('delays.csv', '--decimal-comma', 'Delay')
  expect(drafted).toMatchObject({ format: 'csv', time: 'date', events: 60 })
  const delays = new Map<string, number>()
  for (let at = 0; at < 60; at++) {
    const origin = ['SFO', 'LAX; T4', 'JFK'][at % 3]!
    delays.set(origin, (delays.get(origin) ?? 0) + (at + 0.5) * (at % 2 ? -1 : 1))
  }
  expect(Object.fromEntries(rows.map((row) => [row.origin, row.total_delay]))).toEqual(Object.fromEntries(delays))
})

test('decimal commas are recognised, and the printed command has the flag; names become Latin', async () => {
  await writeFile(join(folder, 'umsätze.csv'), 'Datum;Größe;Ort\n2026-03-01;1.234,50;Köln\n2026-03-02;2,25;Köln\n')
  const { stderr } = await run(process.execPath, [MAIN, 'init', 'umsätze.csv'], { cwd: folder })
  const [command] = /ingest umsatze .*/.exec(stderr)!
  expect(command).toBe("ingest umsatze umsätze.csv --dataset ./umsatze.ts --decimal-comma 'Größe'")
  const words = command.replaceAll("'", '').split(' ')
  expect(await watershed(...words, '--data', 'data')).toMatchObject({ accepted: 2, unconverted: {} })
  const shared = ['--dataset', './umsatze.ts', '--data', 'data']
  const { data } = await watershed('query', 'umsatze', 'over_time', ...shared)
  expect(data).toMatchObject([{ events: 2, total_grosse: 1236.75 }])
})

/** Drafts, runs the printed `ingest`, and asks for the totals of the first view. */
async function totalsOf(name: string, text: string): Promise<{ said: string; totals: Record<string, unknown> }> {
  const stem = name.replace(/\..*/, '')
  await writeFile(join(folder, name), text)
  const { stderr } = await run(process.execPath, [MAIN, 'init', name], { cwd: folder })
  const [command] = /ingest .*/.exec(stderr)!
  const ingested = await watershed(...command.replaceAll("'", '').split(' '), '--data', 'data')
  expect(ingested).toMatchObject({ rejected: 0, unconverted: {} })
  const shared = ['--dimensions', '', '--dataset', `./${stem}.ts`, '--data', 'data']
  const [view] = /(?<=query \w+ )\w+/.exec(stderr)!
  const { data } = await watershed('query', stem, view, ...shared)
  return { said: stderr, totals: (data as Record<string, unknown>[])[0]! }
}

test.each([
  [
    'us.csv',
    'date,store,visitors\n2026-01-01,A,"1,234"\n2026-01-02,A,950\n2026-01-03,B,"2,001"\n',
    { events: 3, total_visitors: 4185 },
    /please check: visitors: its numbers are read as having separators of thousands \(1,234\)/,
  ],
  [
    'filialen.csv',
    'Datum;Filiale;Besucher;Umsatz\n14.03.2026;A;1.234;10.500,50\n15.03.2026;A;2.001;9.875,00\n',
    { events: 2, total_besucher: 3235, total_umsatz: 20375.5 },
    /--decimal-comma 'Besucher,Umsatz'/,
  ],
  [
    'visits.ndjson',
    '{"date":"2026-01-01","shop":{"sales":"1,234,567.5"}}\n{"date":"2026-01-02","shop":{"sales":"12.25"}}\n',
    { events: 2, total_sales: 1234579.75 },
    /please check: sales: its numbers are read as having separators of thousands \(1,234,567\.5\)/,
  ],
  [
    'open.csv',
    'date;store;visitors\n2026-01-01;A;1,234\n2026-01-02;B;2,001\n',
    { events: 2 },
    /please check: visitors: .*have a decimal comma or separators of thousands, and no other value decides/,
  ],
])('%s: separators of thousands are not taken for decimals', async (name, text, totals, said) => {
  const answer = await totalsOf(name, text)
  expect(answer.totals).toMatchObject(totals)
  expect(answer.said).toMatch(said)
  const stated = [...answer.said.matchAll(/please check: (\w+): (.*)/g)]
  const definition = await readFile(join(folder, name.replace(/\..*/, '.ts')), 'utf8')
  for (const [, column, doubt] of stated) expect(definition).toContain(`// Please check: ${doubt}.\n    ${column}: {`)
})

test.each([
  ['spread over several lines', '{\n "id": 1,\n "at": "2026-03-01"\n}\n'],
  ['several on one line', '{"id":1,"at":"2026-03-01"}{"id":2,"at":"2026-03-02"}\n'],
])('events %s: init and ingest say how to write one on each line', async (_, text) => {
  await writeFile(join(folder, 'x.json'), text)
  const hint = /write one on each line: jq -c \. x\.json > events\.ndjson/
  await expect(watershed('init', 'x.json')).rejects.toThrow(hint)
  await writeFile(join(folder, 'y.ndjson'), '{"id":1,"at":"2026-03-01T00:00:00Z"}\n')
  await watershed('init', 'y.ndjson')
  const words = ['ingest', 'y', 'x.json', '--dataset', './y.ts', '--data', 'data']
  const { stderr, code } = await run(process.execPath, [MAIN, ...words], { cwd: folder }).catch((error) => error)
  expect([code, stderr]).toEqual([2, expect.stringMatching(hint)])
})

test('a semicolon CSV whose times are not ISO 8601', async () => {
  const lines = [
    'date;delay;origin;airline',
    '2001/01/01 01:10;-3,5;SFO;WN',
    '2001/01/01 01:31;12,0;"LAX; T4";AA',
    '2001/01/02 23:59;;JFK;',
  ]
  await writeFile(join(folder, 'semicolon.csv'), `${lines.join('\n')}\n`)
  const { drafted, rows } = await tenMinutes('semicolon.csv', '--decimal-comma', 'delay')
  expect(drafted).toMatchObject({ time: 'date', views: ['by_airline', 'top_airline'] })
  expect(rows.map((row) => [row.airline, row.total_delay])).toEqual([
    ['AA', 12],
    ['WN', -3.5],
    [null, null],
  ])
  const days = await watershed(
    'query',
    'semicolon',
    'by_airline',
    '--grain',
    'day',
    ...['--dataset', './semicolon.ts', '--data', 'data'],
  )
  expect((days.data as { time: string; airline: string }[]).map(({ time, airline }) => [time, airline])).toEqual([
    ['2001-01-01T00:00:00.000Z', 'AA'],
    ['2001-01-01T00:00:00.000Z', 'WN'],
    ['2001-01-02T00:00:00.000Z', null],
  ])
  const iso = (await readFile(join(folder, 'semicolon.ts'), 'utf8')).replace(/, format: '[^']*'/, '')
  await writeFile(join(folder, 'iso.ts'), iso)
  const { stdout } = await run(process.execPath, [MAIN, 'check', './iso.ts', 'semicolon.csv', '--json'], {
    cwd: folder,
  }).catch((error) => error)
  const { columns } = JSON.parse(stdout) as { columns: { example: string | null }[] }
  expect(columns[0]!.example).toBe(
    `"2001/01/01 01:10" is not a valid time (iso, years 1 to 9999); format '%Y/%m/%d %H:%M' reads it`,
  )
})

test('a Parquet file with decimals and nested lists', async () => {
  const engine = await DuckDbEngine.open({ folders: [folder] })
  const connection = await engine.connect()
  await connection.run(
    `COPY (SELECT i AS order_id, TIMESTAMP '2026-01-01' + INTERVAL (i) MINUTE AS ordered_at, ['a', 'b', 'c'][1 + i % 3] AS shop,
       (i * 1.05)::DECIMAL(12, 2) AS amount, [{sku: 's' || (i % 4), n: 1}, {sku: 'x', n: 2}] AS items FROM range(120) AS t(i)) TO '${join(folder, 'orders.parquet')}'`,
  )
  connection.close()
  engine.close()
  const { drafted, rows } = await tenMinutes('orders.parquet')
  expect(drafted).toMatchObject({
    format: 'parquet',
    time: 'ordered_at',
    key: 'order_id',
    views: ['by_shop', 'top_sku'],
  })
  const totals: Record<string, number> = { a: 0, b: 0, c: 0 }
  for (let at = 0; at < 120; at++) totals[['a', 'b', 'c'][at % 3]!]! += at * 105
  const found = Object.fromEntries(rows.map((row) => [row.shop, Math.round((row.total_amount as number) * 100)]))
  expect(found).toEqual(totals)
})

test.each(['decimals.parquet', 'decimals.csv', 'decimals.ndjson'])(
  '%s: decimals keep all of their digits',
  async (name) => {
    const engine = await DuckDbEngine.open({ folders: [folder] })
    const connection = await engine.connect()
    const rows = `SELECT 'a' AS id, TIMESTAMP '2026-01-01' AS "at", '1234567890123456.78' AS price, '12345678901234567890.0123456789' AS rate
      UNION ALL SELECT 'b', TIMESTAMP '2026-01-02', '0.01', '1.5'`
    const typed = `SELECT id, "at", price::DECIMAL(18, 2) AS price, rate::DECIMAL(30, 10) AS rate FROM (${rows})`
    await connection.run(
      `COPY (${name.endsWith('parquet') ? typed : rows}) TO '${join(folder, name)}' (FORMAT ${name.endsWith('ndjson') ? 'json' : name.split('.')[1]})`,
    )
    connection.close()
    engine.close()
    const { drafted } = await tenMinutes(name)
    expect((drafted.doubts as string[]).filter((doubt) => doubt.startsWith('rate: '))).toHaveLength(1)
    const text = await readFile(join(folder, 'decimals.ts'), 'utf8')
    const widest = text.replace(/measures: \{/, "measures: { widest: max('rate'),").replace('import {', 'import { max,')
    await writeFile(join(folder, 'decimals.ts'), widest)
    const words = [
      'query',
      'decimals',
      (drafted.views as string[])[0]!,
      '--dimensions',
      '',
      '--dataset',
      './decimals.ts',
      '--data',
      'data',
    ]
    const { stdout } = await run(process.execPath, [MAIN, ...words], { cwd: folder })
    expect(stdout).toContain(' 1234567890123456.79 ')
    expect(stdout).toContain('12345678901234567890.0123456789')
  },
)

test('a column with an exponent is read as DOUBLE', async () => {
  await writeFile(join(folder, 'x.csv'), 'date,id,x\n2026-01-01,a,0.5\n2026-01-02,a,1e-07\n2026-01-03,b,3.25\n')
  await watershed('init', 'x.csv')
  expect(await readFile(join(folder, 'x.ts'), 'utf8')).toContain("x: { type: 'DOUBLE', path: '$.x' }")
  const words = ['ingest', 'x', 'x.csv', '--dataset', './x.ts', '--data', 'data']
  expect(await watershed(...words)).toMatchObject({ accepted: 3, unconverted: {} })
})

test.each([
  ['json.ndjson', '{"time":1767225600.5,"id":2}\n{"time":1767225601,"id":3}\n', '2026-01-01T00:00:01.000Z', 's'],
  ['text.csv', 'time,id\n1767225600.5,2\n1767225601,3\n', '2026-01-01T00:00:00.500Z', 'us'],
  ['millis.csv', 'time,id\n1767225600500.25,2\n1767225601000,3\n', '2026-01-01T00:00:00.500Z', 'us'],
])('%s: seconds with a fraction are an event time', async (name, text, first, unit) => {
  await writeFile(join(folder, name), text)
  const { drafted } = await tenMinutes(name)
  expect(drafted).toMatchObject({ time: 'time_value', key: 'id', rejected: 0 })
  const stem = name.split('.')[0]!
  expect(await readFile(join(folder, `${stem}.ts`), 'utf8')).toContain(`unit: '${unit}'`)
  const { data } = await watershed('events', stem, '--dataset', `./${stem}.ts`, '--data', 'data')
  const times = (data as { time: string; columns: { id: number } }[]).toSorted((a, b) => a.columns.id - b.columns.id)
  expect(times.map(({ time }) => time)).toEqual([first, '2026-01-01T00:00:01.000Z'])
})

test('an existing definition is kept, and what cannot be drafted is explained', async () => {
  await writeFile(join(folder, 'x.ndjson'), '{"a":1,"when":"01/02/2026 25h"}\n')
  await expect(watershed('init', 'x.ndjson')).rejects.toThrow(
    /no column is an event time .*\$\.when \(01\/02\/2026 25h\)/,
  )
  await writeFile(join(folder, 'y.ndjson'), '{"a":1,"at":"2026-01-01T00:00:00Z"}\n')
  await writeFile(join(folder, 'y.ts'), '// mine')
  await expect(watershed('init', 'y.ndjson')).rejects.toThrow(/'y.ts' exists; choose another with --output/)
  expect(await readFile(join(folder, 'y.ts'), 'utf8')).toBe('// mine')
  await expect(watershed('init', 'none.csv')).rejects.toThrow(/'none.csv' cannot be read: ENOENT/)
})

test('members that a path cannot name are left out and named, and the rest is drafted', async () => {
  const odd = {
    ID: 1,
    id: 2,
    '': 3,
    'a"b': 4,
    'c\\d': 5,
    'e\nf': 6,
    'g[*]': 7,
    '\u2028': 'x\u2028y',
    '[*]': 8,
    "it's": 9,
  }
  await writeFile(join(folder, 'odd.ndjson'), JSON.stringify({ time: '2026-01-01T00:00:00Z', ...odd }))
  const { drafted, rows } = await tenMinutes('odd.ndjson')
  expect(drafted.doubts).toEqual(
    expect.arrayContaining([
      expect.stringMatching(/^left out: \$\."", .*"g\[\*\]"/),
      expect.stringMatching(/^left out: \$\.id; /),
    ]),
  )
  expect(await readFile(join(folder, 'odd.ts'), 'utf8')).toMatch(/^\/\/ Please check: left out: \$\.id; .*letter case/m)
  expect(rows).toMatchObject([{ events: 1 }])
})

test('a draft that does not load is not written', async () => {
  await writeFile(join(folder, 'x.ndjson'), '{"id":1,"at":"2026-01-01T00:00:00Z"}\n')
  const refused = /the draft is not valid, so it was not written: .*x\.ts: .*\n.*name/
  await expect(watershed('init', 'x.ndjson', '--name', 'Not A Name', '--output', 'x.ts')).rejects.toThrow(refused)
  await expect(readFile(join(folder, 'x.ts'))).rejects.toThrow('ENOENT')
  await writeFile(join(folder, 'x.ts'), '// mine')
  const force = ['--name', 'Not A Name', '--output', 'x.ts', '--force']
  await expect(watershed('init', 'x.ndjson', ...force)).rejects.toMatchObject({ code: 65 })
  expect(await readFile(join(folder, 'x.ts'), 'utf8')).toBe('// mine')
})
