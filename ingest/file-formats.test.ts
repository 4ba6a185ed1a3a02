/** Files of every format through the whole source, into a log. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { unframed } from '#core/framed-record.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import { ingestFile } from './file-source.ts'
import { openScratch, type Scratch, visit, visits } from './ingest-fixture.ts'
import { Intake } from './intake.ts'

let scratch: Scratch
let intake: Intake
beforeEach(async () => {
  scratch = await openScratch()
  intake = new Intake({ dataset: visits, log: scratch.log })
})
afterEach(() => scratch.remove())

const fileOf = (name: string, content: string | Buffer): string => {
  const path = join(scratch.folder, name)
  writeFileSync(path, content)
  return path
}
const texts = async (): Promise<string[]> => [...(await scratch.records()).values()].map(String).toSorted()
const visitsOf = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, at) => visit(from + at))

test('a gzip file is recognised by its first bytes, with several members', async () => {
  const halves = [visitsOf(0, 3_000), visitsOf(3_000, 6_000)].map((lines) => gzipSync(`${lines.join('\n')}\n`))
  const progress: number[] = []
  const result = await ingestFile(intake, fileOf('x.bin', Buffer.concat(halves)), {
    onProgress: ({ bytesRead, bytesTotal }) => progress.push(bytesRead / bytesTotal!),
  })
  expect(result).toMatchObject({ unit: 'line', accepted: 6_000, rejected: 0, linesSettled: 6_000 })
  expect(progress.at(-1)).toBe(1)
  expect(await texts()).toEqual(visitsOf(0, 6_000).toSorted())
})

test('a gzip file that was cut is reported, and the lines before the cut are in the log', async () => {
  const whole = gzipSync(visitsOf(0, 50_000).join('\n'))
  const cut = fileOf('cut.ndjson.gz', whole.subarray(0, whole.length / 2))
  const failed = ingestFile(intake, cut)
  await expect(failed).rejects.toThrow(
    /after line \d+: unexpected end of file; \d+ events up to that line are in the log/,
  )
  const { accepted } = await failed.catch((error) => error)
  expect(accepted).toBeGreaterThan(0)
  expect((await texts()).length).toBe(accepted)
})

/** what `zstd -19` makes of visitsOf(0, 20), one a line */
const ZSTD =
  'KLUv/QRo/QIAooQOEqC7AYE66Jaq4v/93b3e9+PUCKWckHd/jDN/96rP/P+XQkj3GMy7qpk/eIgGU2MLg+gbbAeDMIgUuiioEQC73uXgNasBETgEDkPYPgaAS7s61b8AAVMlli7KAlWHg469'

test('a zstd file is read, and a cut one is reported', async () => {
  const bytes = Buffer.from(ZSTD, 'base64')
  expect(await ingestFile(intake, fileOf('x.zst', bytes))).toMatchObject({ accepted: 20, rejected: 0 })
  expect(await texts()).toEqual(visitsOf(0, 20).toSorted())
  await expect(ingestFile(intake, fileOf('cut.zst', bytes.subarray(0, -9)))).rejects.toThrow(
    /after line \d+: unexpected end of file/,
  )
})

test('a gzip stream on stdin is read as it comes', async () => {
  const stdin = new PassThrough()
  const result = ingestFile(intake, '-', { stdin })
  const bytes = gzipSync(`${visitsOf(0, 10).join('\n')}\n`)
  stdin.write(bytes.subarray(0, 1))
  stdin.end(bytes.subarray(1))
  expect(await result).toMatchObject({ accepted: 10 })
})

test('an array is read element by element', async () => {
  const elements = [visit(1), '7', visit(2), '{"id":}', visit(3)]
  const result = await ingestFile(intake, fileOf('x.json', `[\n${elements.join(',\n')}\n]\n`))
  expect(result).toMatchObject({ unit: 'element', accepted: 3, rejected: 2, linesSettled: 5 })
  expect(result.rejects.map(({ line }) => line)).toEqual([2, 4])
  expect(await texts()).toEqual([visit(1), visit(2), visit(3)].toSorted())
})

test('an array without its end is reported, and the elements before are in the log', async () => {
  const path = fileOf('x.json', `[${visit(1)},${visit(2)},{"id"`)
  await expect(ingestFile(intake, path)).rejects.toThrow(/after element 2: the array is not closed behind element 2/)
  expect(await texts()).toEqual([visit(1), visit(2)].toSorted())
})

const CSV = 'id;at;note\n1;1700000000001;"a;b"\n2;1700000000002\n3;1700000000003;\n\n4;1700000000004;"x\ny"\n'

test('CSV is recognised, odd records are rejected by line, and --after continues behind a line', async () => {
  const formats: string[] = []
  const path = fileOf('x.csv', CSV)
  const result = await ingestFile(intake, path, { onRecognised: (format) => formats.push(JSON.stringify(format)) })
  expect(formats).toEqual(['{"format":"csv","delimiter":";"}'])
  expect(result).toMatchObject({ unit: 'line', accepted: 3, rejected: 1, linesSettled: 7 })
  expect(result.rejects).toEqual([{ line: 3, reason: 'it has 2 fields, and the header names 3 columns' }])
  const event = (id: number, note: string | null): string =>
    JSON.stringify({ id: `${id}`, at: `170000000000${id}`, note })
  expect(await texts()).toEqual([event(1, 'a;b'), event(3, null), event(4, 'x\ny')].toSorted())
  expect(await ingestFile(intake, path, { after: 4 })).toMatchObject({ accepted: 1, rejected: 0 })
})

test('kept as unusable, an odd record is in the log with its bytes and the reason', async () => {
  const result = await ingestFile(intake, fileOf('x.csv', CSV), { acceptUnusable: true })
  expect(result).toMatchObject({ accepted: 4, rejected: 0, unusable: 1 })
  const framed = (await texts()).flatMap((text) => unframed(Buffer.from(text)) ?? [])
  const reason = 'it has 2 fields, and the header names 3 columns'
  expect(framed).toEqual([{ reason, bytes: Buffer.from('2;1700000000002') }])
})

test('a Parquet file gives its rows in order, with every digit', async () => {
  const path = join(scratch.folder, 'x.parquet')
  const engine = await DuckDbEngine.open({ folders: [scratch.folder] })
  const connection = await engine.connect()
  await connection.run(
    `COPY (SELECT i AS id, 1700000000000 + i AS at, make_timestamp(1700000000000000 + i) AS ts, {tags: ['a', NULL], price: (i / 3)::DECIMAL(30, 10)} AS note,
       CASE WHEN i = 7 THEN 'nan'::DOUBLE ELSE 0.1 END AS x FROM range(50000) AS t(i)) TO '${path}' (ROW_GROUP_SIZE 4000)`,
  )
  connection.close()
  engine.close()
  const result = await ingestFile(intake, path)
  expect(result).toMatchObject({ unit: 'row', accepted: 50_000, rejected: 0, linesSettled: 50_000 })
  const found = await texts()
  expect(found).toContain(
    '{"id":7,"at":1700000000007,"ts":"2023-11-14 22:13:20.000007","note":{"tags":["a",null],"price":2.3333333333},"x":"NaN"}',
  )
  expect(new Set(found.map((text) => JSON.parse(text).id)).size).toBe(50_000)
})

test('decimals of a Parquet file are numbers up to 15 digits, and texts beyond, which keep them all', async () => {
  const path = join(scratch.folder, 'decimals.parquet')
  const engine = await DuckDbEngine.open({ folders: [scratch.folder] })
  const connection = await engine.connect()
  const values = ['123456789012345678901.234567', '-1234567890.123456', '123456789.123456', '0.000001', 'NULL']
  const rows = values.map((value, id) => `(${id}, 1700000000000, ${value}::DECIMAL(38,6))`)
  await connection.run(`COPY (SELECT * FROM (VALUES ${rows.join(', ')}) AS t(id, "at", d)) TO '${path}'`)
  connection.close()
  engine.close()
  expect(await ingestFile(intake, path)).toMatchObject({ accepted: values.length })
  const found = (await texts()).map((text) => /"d":(.*)}/.exec(text)![1])
  expect(found.toSorted()).toEqual(
    ['"123456789012345678901.234567"', '"-1234567890.123456"', '123456789.123456', '0.000001', 'null'].toSorted(),
  )
})

test('Parquet on a pipe is refused with what to do', async () => {
  const stdin = new PassThrough()
  stdin.end('PAR1....')
  await expect(ingestFile(intake, '-', { stdin })).rejects.toThrow(
    /cannot be read from a pipe or compressed; name the file/,
  )
})
