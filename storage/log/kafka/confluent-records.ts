/**
 * Records framed by Confluent's serializers: a zero byte, the schema id in four bytes, the data. JSON is used unchanged,
 * Avro is converted to JSON: names as in the schema, 64-bit integers with all digits, decimals as exact numbers, bytes as latin1 text,
 * unions without a wrapper if their branches can be distinguished, NaN and infinities as null. Records without a frame are treated as JSON texts.
 */
import avro, { type Schema, type Type } from 'avsc'
import { type RecordDecoder, Unreadable } from '../record-format.ts'
import { type RegisteredSchema, SchemaRegistry, type SchemaRegistrySettings } from './schema-registry.ts'

const MAGIC = 0
const FRAME_BYTES = 5
/** maximum number of cached schemas; a topic has a handful */
const SCHEMAS_MAX = 1_000

type Reader = (data: Buffer) => Buffer | Unreadable

export function confluentRecords(settings: SchemaRegistrySettings): RecordDecoder {
  const registry = new SchemaRegistry(settings)
  const readers = new Map<number, Reader>()
  const unknown: number[] = []
  return {
    plain: false,
    prepare: async (values) => {
      const needed = new Set<number>()
      for (const value of values) if (isFramed(value)) needed.add(idOf(value))
      // A schema that the registry does not have yet may be there for the next batch.
      for (const id of unknown.splice(0)) readers.delete(id)
      if (readers.size + needed.size > SCHEMAS_MAX) readers.clear()
      for (const id of needed) {
        if (readers.has(id)) continue
        const schema = await registry.schema(id)
        if (schema === null) unknown.push(id)
        readers.set(id, readerOf(id, schema))
      }
    },
    line: (value) => {
      if (!isFramed(value)) return value
      const id = idOf(value)
      const reader = readers.get(id)
      if (reader === undefined) throw new Error(`schema ${id} was not prepared`)
      return reader(value.subarray(FRAME_BYTES))
    },
  }
}

function isFramed(value: Buffer): boolean {
  return value.length >= FRAME_BYTES && value[0] === MAGIC
}

function idOf(value: Buffer): number {
  return value.readUInt32BE(1)
}

function readerOf(id: number, schema: RegisteredSchema | null): Reader {
  if (schema === null) return () => new Unreadable(`the schema registry has no schema ${id}`)
  if (schema.type === 'JSON') return (data) => data
  if (schema.type === 'PROTOBUF') return () => new Unreadable(`schema ${id} is Protobuf, which is not supported`)
  let type: Type
  try {
    type = typeOf(schema)
  } catch (error) {
    const reason = `schema ${id} is unusable: ${(error as Error).message}`
    return () => new Unreadable(reason)
  }
  return (data) => {
    try {
      return Buffer.from(JSON.stringify(type.fromBuffer(data), withBytes))
    } catch (error) {
      return new Unreadable(`the record does not match schema ${id}: ${(error as Error).message}`)
    }
  }
}

function typeOf({ text, references }: RegisteredSchema): Type {
  const registry: Record<string, Type> = {}
  const options = {
    registry,
    logicalTypes: { decimal: DecimalType },
    typeHook: exactTypes,
    wrapUnions: 'auto' as const,
  }
  for (const reference of references) avro.Type.forSchema(JSON.parse(reference) as Schema, options)
  return avro.Type.forSchema(JSON.parse(text) as Schema, options)
}

declare global {
  interface JSON {
    rawJSON(text: string): unknown
  }
}

const LONG = avro.types.LongType.__with({
  fromBuffer: (bytes: Buffer) => JSON.rawJSON(bytes.readBigInt64LE().toString()),
  toBuffer: unused,
  fromJSON: unused,
  toJSON: unused,
  isValid: unused,
  compare: unused,
})

function exactTypes(schema: Schema): Type | undefined {
  const name = typeof schema === 'string' ? schema : (schema as { type?: unknown }).type
  return name === 'long' ? LONG : undefined
}

/** Bytes in the JSON encoding of the Avro specification. */
function withBytes(this: unknown, key: string, value: unknown): unknown {
  const own = (this as Record<string, unknown>)[key]
  return Buffer.isBuffer(own) ? own.toString('latin1') : value
}

/** An exact decimal number from an unscaled integer and a scale. */
class DecimalType extends avro.types.LogicalType {
  readonly #scale: number
  constructor(schema: Schema, options?: unknown) {
    super(schema, options as never)
    this.#scale = (schema as { scale?: number }).scale ?? 0
  }
  protected override _fromValue(bytes: Buffer): unknown {
    const bits = BigInt(bytes.length) * 8n
    const unscaled = bytes.length === 0 ? 0n : BigInt.asIntN(Number(bits), BigInt(`0x${bytes.toString('hex')}`))
    const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(this.#scale + 1, '0')
    const whole = digits.slice(0, digits.length - this.#scale)
    const fraction = this.#scale > 0 ? `.${digits.slice(-this.#scale)}` : ''
    return JSON.rawJSON(`${unscaled < 0n ? '-' : ''}${whole}${fraction}`)
  }
  protected override _toValue(): never {
    return unused()
  }
}

function unused(): never {
  throw new Error('records are only read')
}
