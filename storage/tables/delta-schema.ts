/** The columns of a Delta table, from the engine's names of their types. */
import type { SqlColumn } from '#core/compiled.ts'

type DeltaType = string | DeltaArray | DeltaStruct

interface DeltaArray {
  readonly type: 'array'
  readonly elementType: DeltaType
  readonly containsNull: true
}

interface DeltaStruct {
  readonly type: 'struct'
  readonly fields: readonly DeltaField[]
}

interface DeltaField {
  readonly name: string
  readonly type: DeltaType
  readonly nullable: true
  readonly metadata: object
}

/** What Parquet of the engine and a Delta table both have. A TIMESTAMP has no zone: readers need the feature `timestampNtz`. */
const TYPES: Readonly<Record<string, string>> = {
  BOOLEAN: 'boolean',
  TINYINT: 'byte',
  SMALLINT: 'short',
  INTEGER: 'integer',
  BIGINT: 'long',
  FLOAT: 'float',
  DOUBLE: 'double',
  VARCHAR: 'string',
  JSON: 'string',
  DATE: 'date',
  TIMESTAMP: 'timestamp_ntz',
}

/** Types that a Delta table has not, and what holds every value of them. */
const HELD_BY: Readonly<Record<string, string>> = {
  UTINYINT: 'SMALLINT',
  USMALLINT: 'INTEGER',
  UINTEGER: 'BIGINT',
  UBIGINT: 'DECIMAL(20,0)',
  HUGEINT: 'DECIMAL(38,0)',
  // The engine marks it in Parquet, and not every reader takes the mark for text.
  JSON: 'VARCHAR',
}

/**
 * `schemaString` of a table's metaData.
 *
 * @throws RangeError for a type that the table cannot have: see storableType
 * @example deltaSchema([{ name: 'id', type: 'BIGINT' }])
 * // '{"type":"struct","fields":[{"name":"id","type":"long","nullable":true,"metadata":{}}]}'
 */
export function deltaSchema(columns: readonly SqlColumn[]): string {
  const fields = columns.map(({ name, type }): DeltaField => {
    return { name, type: deltaType(type), nullable: true, metadata: {} }
  })
  return JSON.stringify({ type: 'struct', fields } satisfies DeltaStruct)
}

/** Names of the columns of a `schemaString`. */
export function columnsIn(schema: string): ReadonlySet<string> {
  return new Set((JSON.parse(schema) as DeltaStruct).fields.map(({ name }) => name))
}

/**
 * The type under which the values of `type` are written: itself, one that holds them all, or text.
 *
 * @example storableType('HUGEINT') // 'DECIMAL(38,0)'
 * @example storableType('STRUCT(a BIGINT)[]') // 'VARCHAR'
 */
export function storableType(type: string): string {
  if (type.endsWith('[]')) {
    const element = storableType(type.slice(0, -2))
    return element === type.slice(0, -2) ? type : element === 'VARCHAR' ? 'VARCHAR' : `${element}[]`
  }
  return HELD_BY[type] ?? (type in TYPES || isDecimal(type) ? type : 'VARCHAR')
}

function deltaType(type: string): DeltaType {
  if (type.endsWith('[]')) return { type: 'array', elementType: deltaType(type.slice(0, -2)), containsNull: true }
  const simple = isDecimal(type) ? type.toLowerCase() : TYPES[type]
  if (simple === undefined) throw new RangeError(`a Delta table has no type for ${type}`)
  return simple
}

function isDecimal(type: string): boolean {
  return /^DECIMAL\(\d+,\d+\)$/.test(type)
}
