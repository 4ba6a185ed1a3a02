/**
 * CloudEvents 1.0. In every mode an event is the CloudEvent in its JSON format: attributes beside `data`, so that the same columns serve
 * all of them. What was sent as JSON keeps its text.
 */
import { isUtf8 } from 'node:buffer'
import { setImmediate as turn } from 'node:timers/promises'
import { CloudEvent } from 'cloudevents'
import type { BinaryCloudEvent } from '#core/body-format.ts'
import { onOneLine } from '#core/json-bytes.ts'
import { isTooDeep, TOO_DEEP } from '#core/json-text.ts'
import type { BodyLimits } from '../ingest-limits.ts'
import { withoutByteOrderMark } from '../ndjson-lines.ts'
import { type Rows, rowOf } from '../rows.ts'
import { BodyError } from './body-error.ts'
import { BuiltRows } from './built-rows.ts'

const EVENTS_PER_TURN = 500
/** those that the package would fill in, or accept without a value */
const REQUIRED = ['specversion', 'id', 'source', 'type'] as const
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
const TEXT_TYPE = /^text\/|^application\/(?:[\w.+-]+\+)?xml$/
const JSON_TYPE = /^(?:application|text)\/(?:[\w.+-]+\+)?json$/

/** The rows, those that are not CloudEvents with a fault. What is too large or too deep is left to the intake. */
export async function checkedCloudEvents(rows: Rows, recordBytesMax: number): Promise<Rows> {
  const faults = new Map<number, string>()
  for (let index = 0; index < rows.starts.length; index++) {
    if (index % EVENTS_PER_TURN === EVENTS_PER_TURN - 1) await turn()
    const row = rowOf(rows, index)
    if (row.length > recordBytesMax || isTooDeep(row)) continue
    const fault = whyNoCloudEvent(JSON.parse(row.toString()))
    if (fault !== null) faults.set(index, fault)
  }
  return { ...rows, faults }
}

/** The only row of a body that is the data of an event whose attributes were in the headers. @throws BodyError */
export function rowOfBinary(body: Buffer, { attributes, dataType }: BinaryCloudEvent, limits: BodyLimits): Rows {
  const rows = new BuiltRows(limits)
  const given = dataType === null ? attributes : { ...attributes, datacontenttype: dataType }
  const fault = whyNoCloudEvent(given)
  if (fault !== null) rows.fault(fault)
  else rows.add(`${JSON.stringify(given).slice(0, -1)}${dataMember(body, dataType)}}`)
  return rows.rows()
}

/** The member of the event that holds its data, with a comma before it. */
function dataMember(body: Buffer, dataType: string | null): string {
  if (body.length === 0) return ''
  const type = (dataType ?? 'application/json').split(';')[0]!.trim().toLowerCase()
  if (JSON_TYPE.test(type)) return `,"data":${jsonText(body)}`
  if (TEXT_TYPE.test(type) && isUtf8(body)) return `,"data":${JSON.stringify(body.toString())}`
  return `,"data_base64":"${body.toString('base64')}"`
}

function jsonText(body: Buffer): string {
  if (!isUtf8(body)) throw new BodyError('the data of the CloudEvent is not UTF-8 text')
  if (isTooDeep(body)) throw new BodyError(`the data of the CloudEvent cannot be read: ${TOO_DEEP}`)
  const text = onOneLine(withoutByteOrderMark(body)).toString()
  try {
    JSON.parse(text)
    return text
  } catch (error) {
    throw new BodyError(`the data of the CloudEvent is not valid JSON: ${(error as Error).message}`, { cause: error })
  }
}

/** Why the value does not follow the specification; null if it does. */
function whyNoCloudEvent(value: unknown): string | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return 'a CloudEvent is a JSON object, in which data is one of the members'
  const event = value as Readonly<Record<string, unknown>>
  for (const name of REQUIRED) {
    const given = event[name]
    if (given === undefined || given === null) return `CloudEvent: the attribute ${name} is required but missing`
    if (typeof given !== 'string' || given === '')
      return `CloudEvent: the attribute ${name} must be a string that is not empty`
  }
  if (event.specversion !== '1.0') return `CloudEvent: specversion '${event.specversion}' is not supported; send 1.0`
  const { data, data_base64, ...attributes } = event
  if (data_base64 !== undefined) {
    if (data !== undefined) return 'CloudEvent: it has data and data_base64; send one of them'
    if (typeof data_base64 !== 'string' || !BASE64.test(data_base64))
      return 'CloudEvent: data_base64 is not base64 text'
  }
  return whyInvalid(attributes)
}

/** By the rules of the package. An attribute that is null is not set (JSON format, 2.2). */
function whyInvalid(attributes: Readonly<Record<string, unknown>>): string | null {
  const set = Object.entries(attributes).filter(([, value]) => value !== null)
  const nested = set.find(([, value]) => typeof value === 'object')
  if (nested !== undefined) return `CloudEvent: the attribute ${nested[0]} must be a string, number or boolean`
  try {
    new CloudEvent(Object.fromEntries(set) as never)
    return null
  } catch (error) {
    return `CloudEvent: ${sentenceOf(error as Error & { errors?: readonly unknown[] | null })}`
  }
}

function sentenceOf({ message, errors }: Error & { errors?: readonly unknown[] | null }): string {
  const [first] = (errors ?? []) as readonly { instancePath?: string; message?: string }[]
  if (first?.instancePath !== undefined) return `the attribute ${first.instancePath.slice(1)} ${first.message}`
  return message.split('\n')[0]!
}
