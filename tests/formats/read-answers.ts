/**
 * Answers in any format as rows of plain texts, so that formats can be compared: each value as one text, whatever the format has for it.
 * Numbers keep their digits, a double is the shortest text, a time has six decimals, a list is JSON.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type DataType, DataType as Is, tableFromIPC, type Vector } from 'apache-arrow'
import { quoteName, quoteText } from '#core/sql-names.ts'
import { unguarded } from '#serving/formats/csv-format.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import { readXlsx, type SheetCell } from './read-xlsx.ts'

export type PlainValue = string | null
export interface PlainRows {
  readonly names: readonly string[]
  readonly rows: readonly (readonly PlainValue[])[]
}

export class AnswerReader {
  readonly #connection: EngineConnection
  readonly #folder: string
  #files = 0

  /** @param folder that the engine may read */
  constructor(connection: EngineConnection, folder: string) {
    this.#connection = connection
    this.#folder = folder
  }

  /** Also tells the types of the columns, which text formats do not. */
  arrow(bytes: Uint8Array): PlainRows & { readonly types: readonly DataType[]; readonly meta: unknown } {
    const table = tableFromIPC(bytes)
    const names = table.schema.fields.map(({ name }) => name)
    const types = table.schema.fields.map(({ type }) => type)
    const columns = names.map((_, index) => arrowTexts(table.getChildAt(index)!))
    const rows = Array.from({ length: table.numRows }, (_, row) => columns.map((column) => column[row]!))
    return { names, types, rows, meta: JSON.parse(table.schema.metadata.get('watershed')!) }
  }

  json(text: string, names: readonly string[], types: readonly DataType[]): PlainRows {
    return fromJson((parseDigits(text) as { data: JsonRow[] }).data, names, types)
  }

  ndjson(text: string, names: readonly string[], types: readonly DataType[]): PlainRows {
    const lines = text.split('\n')
    if (lines.pop() !== '') throw new Error('the last line does not end')
    return fromJson(
      lines.map((line) => parseDigits(line) as JsonRow),
      names,
      types,
    )
  }

  async csv(bytes: Uint8Array, types: readonly DataType[]): Promise<PlainRows> {
    const { names, rows } = await this.#read(
      'csv',
      bytes,
      (file) =>
        `SELECT * FROM read_csv(${file}, all_varchar = true, header = true, auto_detect = false, delim = ',', quote = '"', escape = '"', nullstr = '', allow_quoted_nulls = false, columns = ${columnsOf(bytes)})`,
    )
    const texts = rows.map((row) =>
      row.map((value, at) => (value === null ? null : csvText(value as string, types[at]!))),
    )
    return { names, rows: texts }
  }

  async parquet(bytes: Uint8Array, types: readonly DataType[]): Promise<PlainRows & { readonly meta: unknown }> {
    let meta: unknown
    const { names, rows } = await this.#read('parquet', bytes, async (file) => {
      const [row] = await this.#connection.rows<{ v: string }>(
        `SELECT decode(value) AS v FROM parquet_kv_metadata(${file}) WHERE decode(key) = 'watershed'`,
      )
      meta = JSON.parse(row!.v)
      const columns = await this.#connection.describe(`SELECT * FROM ${file}`)
      return `SELECT ${columns.map(({ name, type }) => `${engineText(quoteName(name), type)} AS ${quoteName(name)}`).join(', ')} FROM ${file}`
    })
    return { names, rows: normalRows(rows, types), meta }
  }

  /** @param types of the columns, which decide how a number is meant */
  xlsx(bytes: Buffer, types: readonly DataType[]): PlainRows & { readonly meta: Readonly<Record<string, string>> } {
    const sheets = readXlsx(bytes)
    const [header, ...rows] = sheets.get('rows')!
    const [, ...members] = sheets.get('provenance')!
    return {
      names: header!.map((cell) => cell!.text),
      rows: rows.map((row) => types.map((type, at) => xlsxText(row[at] ?? null, type))),
      meta: Object.fromEntries(
        members.map(([name, ...values]) => [name!.text, values.map((cell) => cell?.text).join('')]),
      ),
    }
  }

  async #read(
    extension: string,
    bytes: Uint8Array,
    select: (file: string) => string | Promise<string>,
  ): Promise<PlainRows> {
    const file = join(this.#folder, `answer-${this.#files++}.${extension}`)
    writeFileSync(file, bytes)
    const sql = await select(quoteText(file))
    const names = (await this.#connection.describe(sql)).map(({ name }) => name)
    const columns = await this.#connection.columns(sql)
    const rows = Array.from({ length: columns[0]?.length ?? 0 }, (_, row) =>
      columns.map((column) => column[row] as PlainValue),
    )
    return { names, rows }
  }
}

/** Rows of texts that another reader made of an answer, with one text for each value. */
export function normalRows(rows: readonly (readonly PlainValue[])[], types: readonly DataType[]): PlainValue[][] {
  return rows.map((row) => row.map((value, at) => (value ? normal(value, types[at]!) : value)))
}

type JsonRow = Readonly<Record<string, unknown>>

function parseDigits(text: string): unknown {
  return JSON.parse(text, function (this: unknown, _key: string, value: unknown, context?: { source?: string }) {
    return typeof value === 'number' ? `#${context!.source}` : value
  })
}

function fromJson(data: readonly JsonRow[], names: readonly string[], types: readonly DataType[]): PlainRows {
  return {
    names: data.length === 0 ? names : Object.keys(data[0]!),
    rows: data.map((row) => names.map((name, at) => jsonText(row[name], types[at]!))),
  }
}

function jsonText(value: unknown, type: DataType): PlainValue {
  if (value === null) return null
  if (Is.isList(type)) return listText((value as unknown[]).map((each) => jsonText(each, type.children[0]!.type)))
  const text = String(value).replace(/^#/, '')
  if (Is.isUtf8(type)) return value as string
  return normal(text, type)
}

function csvText(field: string, type: DataType): PlainValue {
  if (Is.isUtf8(type)) return unguarded(field)
  return normal(field, type)
}

function xlsxText(cell: SheetCell, type: DataType): PlainValue {
  if (cell === null) return null
  const { is, text, format } = cell
  if (is === 'text') return Is.isUtf8(type) ? text : normal(text, type)
  if (is === 'boolean') return String(text === '1')
  if (!format.startsWith('yyyy')) return normal(text, type)
  const moment = new Date(Math.round((Number(text) - 25_569) * 86_400_000)).toISOString()
  return Is.isDate(type) ? moment.slice(0, 10) : normal(moment, type)
}

function normal(text: string, type: DataType): string {
  if (Is.isList(type)) return jsonText(parseDigits(text), type)!
  if (Is.isFloat(type)) return String(Number(text))
  // Zeros at the end are no digits of a JSON number.
  if (Is.isDecimal(type))
    return type.scale === 0 ? text : `${text.split('.')[0]}.${(text.split('.')[1] ?? '').padEnd(type.scale, '0')}`
  return Is.isTimestamp(type) ? text.replace(/\.(\d+)Z$/, (_, digits: string) => `.${digits.padEnd(6, '0')}Z`) : text
}

function listText(values: readonly PlainValue[]): string {
  return JSON.stringify(values)
}

function arrowTexts(vector: Vector): PlainValue[] {
  const { type } = vector
  return vector.data.flatMap((data) =>
    Array.from({ length: data.length }, (_, at): PlainValue => {
      if (!data.getValid(at)) return null
      if (Is.isDecimal(type)) return decimalText(new Uint32Array(data.values.slice(4 * at, 4 * at + 4)), type.scale)
      if (Is.isTimestamp(type)) return timeText(data.values[at] as bigint)
      if (Is.isDate(type)) return new Date((data.values[at] as number) * 86_400_000).toISOString().slice(0, 10)
      if (Is.isUtf8(type))
        return Buffer.from(data.values.slice(data.valueOffsets[at], data.valueOffsets[at + 1])).toString()
      if (Is.isList(type)) return listText(listOf(data, at))
      if (Is.isBool(type)) return String((data.values[at >> 3]! & (1 << (at & 7))) !== 0)
      return String(data.values[at])
    }),
  )
}

function listOf(data: Vector['data'][number], at: number): PlainValue[] {
  const child = data.children[0]!
  const [from, to] = [data.valueOffsets[at]!, data.valueOffsets[at + 1]!]
  return arrowTexts({ type: child.type, data: [child] } as unknown as Vector).slice(from, to)
}

function decimalText(words: Uint32Array, scale: number): string {
  const [low, high] = new BigInt64Array(words.buffer)
  const units = (high! << 64n) | BigInt.asUintN(64, low!)
  const digits = String(units < 0n ? -units : units).padStart(scale + 1, '0')
  const text = scale === 0 ? digits : `${digits.slice(0, -scale)}.${digits.slice(-scale)}`
  return units < 0n ? `-${text}` : text
}

function timeText(us: bigint): string {
  const part = ((us % 1_000_000n) + 1_000_000n) % 1_000_000n
  const text = new Date(Number((us - part) / 1_000n)).toISOString()
  return text.replace(/\.000Z$/, `.${String(part).padStart(6, '0')}Z`)
}

/** SQL: the value's text. */
function engineText(value: string, type: string): string {
  if (type.endsWith('[]')) {
    const element = type.slice(0, -2)
    return `to_json(list_transform(${value}, lambda e: ${engineText('e', element)}))::VARCHAR`
  }
  if (type === 'TIMESTAMP WITH TIME ZONE') return `strftime(timezone('UTC', ${value}), '%Y-%m-%dT%H:%M:%S.%fZ')`
  if (type === 'DOUBLE') return `${value}::DOUBLE::JSON::VARCHAR`
  return `${value}::VARCHAR`
}

/** The header's names, as columns of type VARCHAR. */
function columnsOf(bytes: Uint8Array): string {
  const header = Buffer.from(bytes)
    .toString('utf8')
    .replace(/^\uFEFF/, '')
    .split('\n', 1)[0]!
  return `{${header
    .split(',')
    .map((name) => `${quoteText(name.replace(/^"|"$/g, ''))}: 'VARCHAR'`)
    .join(', ')}}`
}
