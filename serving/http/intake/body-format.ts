/** What a request's body contains, by its headers and parameters. */
import type { IncomingHttpHeaders } from 'node:http'
import { errorCodes } from 'fastify'
import type { BodyFormat, CsvBody } from '#core/body-format.ts'
import { ProblemError } from '#serving/http/problems.ts'

const CSV_TYPES = { 'text/csv': ',', 'text/tab-separated-values': '\t' } as const

/** Content types of event bodies; null: the parameters say more. */
export const BODY_TYPES = {
  'application/json': 'json',
  'application/x-ndjson': 'ndjson',
  'application/jsonl': 'ndjson',
  'text/plain': 'ndjson',
  'text/csv': null,
  'text/tab-separated-values': null,
  'application/vnd.apache.arrow.stream': 'arrow',
  'application/cloudevents+json': 'cloud-event',
  'application/cloudevents-batch+json': 'cloud-events',
} as const satisfies Readonly<Record<string, BodyFormat | null>>

export interface BodyParameters {
  readonly delimiter?: string
  readonly columns?: string
  readonly decimalComma?: string
}

/** @throws ProblemError 'unsupported-type', or 'bad-query' for parameters of another type; Fastify's error for an unknown content type */
export function bodyFormatOf(headers: IncomingHttpHeaders, parameters: BodyParameters): BodyFormat {
  const type = mediaType(headers['content-type'])
  const csv = isBinaryCloudEvent(headers) ? undefined : CSV_TYPES[type as keyof typeof CSV_TYPES]
  const format = csv === undefined ? formatOf(type, headers) : csvOf(csv, parameters)
  if (!isBinaryCloudEvent(headers)) assertUtf8(headers['content-type'])
  if (csv !== undefined) return format
  for (const field of ['delimiter', 'columns', 'decimalComma'] as const)
    if (parameters[field] !== undefined)
      throw new ProblemError('bad-query', `${field} is a parameter of CSV bodies; this body is ${type}`, { field })
  return format
}

/** Whether the request is a CloudEvent in binary mode, whose body may have any content type, or none. */
export function isBinaryCloudEvent(headers: IncomingHttpHeaders): boolean {
  return (
    headers['ce-specversion'] !== undefined && !mediaType(headers['content-type']).startsWith('application/cloudevents')
  )
}

function formatOf(type: string, headers: IncomingHttpHeaders): BodyFormat {
  if (isBinaryCloudEvent(headers))
    return { kind: 'cloud-event-data', attributes: attributesOf(headers), dataType: headers['content-type'] ?? null }
  const format = BODY_TYPES[type as keyof typeof BODY_TYPES]
  if (!format) throw new errorCodes.FST_ERR_CTP_INVALID_MEDIA_TYPE(type)
  return format
}

/** @throws ProblemError for percent-encoding that is not UTF-8 */
function attributesOf(headers: IncomingHttpHeaders): Record<string, string> {
  const own = Object.entries(headers).filter(([name]) => name.startsWith('ce-'))
  return Object.fromEntries(own.map(([name, value]) => [name.slice(3), decoded(name, String(value))]))
}

/** HTTP protocol binding, 3.1.3.2: what is not printable ASCII, a quote or a percent sign is percent-encoded. */
function decoded(name: string, value: string): string {
  try {
    return decodeURIComponent(value.replace(/%(?![0-9a-f]{2})/gi, '%25'))
  } catch {
    throw new ProblemError('bad-request', `the header ${name} is not percent-encoded UTF-8`, { field: name })
  }
}

function csvOf(usual: string, { delimiter = usual, columns, decimalComma }: BodyParameters): CsvBody {
  const character = delimiter === 'tab' ? '\t' : delimiter
  if (!/^[\t\x20-\x7e]$/.test(character) || character === '"')
    throw new ProblemError('bad-query', `delimiter must be one ASCII character other than a quote, or 'tab'`, {
      field: 'delimiter',
    })
  return { kind: 'csv', delimiter: character, columns: namesOf(columns), decimalComma: namesOf(decimalComma) }
}

function namesOf(list: string | undefined): string[] | undefined {
  return list?.split(',')
}

function mediaType(header: string | undefined): string {
  return (header ?? '').split(';')[0]!.trim().toLowerCase()
}

function assertUtf8(header: string | undefined): void {
  const charset = /;\s*charset\s*=\s*"?([^\s;"]+)/i.exec(header ?? '')?.[1]?.toLowerCase()
  if (charset === undefined || charset === 'utf-8' || charset === 'utf8' || charset === 'us-ascii') return
  throw new ProblemError('unsupported-type', `charset '${charset}' is not supported; send UTF-8`)
}
