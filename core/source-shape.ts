/** The schema of the sources of a definition, and what it cannot tell: every problem with its place. */
import { z } from 'zod'
import { NAME } from './definition-limits.ts'
import { durationMs } from './grains.ts'
import { parseJsonPath } from './json-path.ts'
import { SECRET_NAME } from './secret-names.ts'
import type { AddressedSource, FilesDefinition, SourceDefinition } from './source-definition.ts'

const text = z.string()

const every = {
  name: text,
  paused: z.boolean().optional(),
  eventsPerSecondMax: z.number().optional(),
}
const shared = {
  ...every,
  url: text,
  headers: z.record(text, text).optional(),
  silence: text.optional(),
}
const resume = z.strictObject({
  parameter: text,
  from: text,
  overlap: z.number().optional(),
  unit: z.enum(['s', 'ms', 'us']).optional(),
})

export const sourceSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('http-stream'), ...shared, resume: resume.optional() }),
  z.strictObject({ kind: z.literal('server-sent-events'), ...shared, events: z.array(text).optional() }),
  z.strictObject({
    kind: z.literal('websocket'),
    ...shared,
    send: z.array(text).optional(),
    resume: resume.optional(),
  }),
  z.strictObject({
    kind: z.literal('polling'),
    ...shared,
    every: text,
    records: text.optional(),
    page: z.strictObject({ parameter: text, from: text }).optional(),
    resume: z.strictObject({ parameter: text, from: text }).optional(),
  }),
  z.strictObject({
    kind: z.literal('files'),
    ...every,
    paths: z.array(text),
    format: z.enum(['ndjson', 'json', 'csv', 'parquet']).optional(),
    delimiter: text.optional(),
    columns: z.array(text).optional(),
    decimalComma: z.array(text).optional(),
  }),
  z.strictObject({
    kind: z.literal('kafka'),
    ...every,
    topic: text,
    begin: z.enum(['earliest', 'latest']).optional(),
  }),
])

/** Member names by kind. */
export const SOURCE_MEMBERS: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  sourceSchema.options.map(({ shape }) => [shape.kind.value, Object.keys(shape)]),
)

export const SOURCES_MAX = 32
const PROTOCOLS: Readonly<Record<AddressedSource['kind'], readonly string[]>> = {
  'http-stream': ['https:', 'http:'],
  'server-sent-events': ['https:', 'http:'],
  websocket: ['wss:', 'ws:'],
  polling: ['https:', 'http:'],
}
/** stands for an environment variable */
export const PLACEHOLDER = /\{env:([A-Za-z_][A-Za-z0-9_]*)\}/g

/** What is wrong with sources whose shape is right. */
export function sourceProblems(sources: readonly SourceDefinition[]): string[] {
  const problems: string[] = []
  if (sources.length > SOURCES_MAX) problems.push(`a dataset can have at most ${SOURCES_MAX} sources`)
  const names = new Set<string>()
  for (const source of sources) {
    const found = problemsOf(source)
    if (names.has(source.name)) found.push('another source has the same name')
    names.add(source.name)
    problems.push(...found.map((problem) => `source '${source.name}': ${problem}`))
  }
  return problems
}

function problemsOf(source: SourceDefinition): string[] {
  const problems: string[] = []
  if (!NAME.test(source.name)) problems.push(`the name must match ${NAME.source}`)
  const { eventsPerSecondMax } = source
  if (source.kind === 'files') problems.push(...filesProblems(source))
  else if (source.kind === 'kafka')
    problems.push(...(TOPIC.test(source.topic) ? [] : [`topic: '${source.topic}' is not the name of a Kafka topic`]))
  else problems.push(...addressProblems(source))
  if (eventsPerSecondMax !== undefined && !(eventsPerSecondMax > 0))
    problems.push(`eventsPerSecondMax must be more than 0, but is ${eventsPerSecondMax}`)
  if ('every' in source) problems.push(...durationProblem('every', source.every))
  if ('resume' in source && source.resume !== undefined) {
    problems.push(...pathProblem('resume.from', source.resume.from))
    const { overlap = 0 } = source.resume as { readonly overlap?: number }
    if (!(overlap >= 0)) problems.push(`resume.overlap must not be negative, but is ${overlap}`)
  }
  if (source.kind === 'polling') {
    if (source.records !== undefined) problems.push(...pathProblem('records', source.records))
    if (source.page !== undefined) problems.push(...pathProblem('page.from', source.page.from))
  }
  return problems
}

/** as Kafka has it */
export const TOPIC = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}$/

function filesProblems({ paths, delimiter }: FilesDefinition): string[] {
  const problems: string[] = []
  if (paths.length === 0 || paths.includes('')) problems.push('paths must name at least one file, folder or pattern')
  if (delimiter !== undefined && (!/^[\t -~]$/.test(delimiter) || delimiter === '"'))
    problems.push('delimiter must be one ASCII character other than a quote')
  return problems
}

function addressProblems(source: AddressedSource): string[] {
  const { silence } = source
  return [
    ...urlProblems(source),
    ...headerProblems(source),
    ...(silence === undefined ? [] : durationProblem('silence', silence)),
  ]
}

function urlProblems({ kind, url }: AddressedSource): string[] {
  const filled = url.replace(PLACEHOLDER, 'env')
  if (!URL.canParse(filled)) return [`url: '${url}' is not an address`]
  const { protocol, searchParams } = new URL(filled)
  const known = PROTOCOLS[kind]
  if (!known.includes(protocol))
    return [`url: the protocol of a source of kind '${kind}' is ${known.join(' or ')}, not ${protocol}`]
  const literal = /:\/\/[^/?#]*@/.exec(url)?.[0]
  const problems: string[] = []
  if (literal !== undefined && literal.replace(PLACEHOLDER, '').replace(/[:/@]/g, '') !== '')
    problems.push(`url: ${SECRET_ADVICE}, for example https://{env:API_USER}:{env:API_PASSWORD}@…`)
  for (const [name, value] of new URL(url.replace(PLACEHOLDER, '')).searchParams)
    if (SECRET_NAME.test(name) && value !== '' && searchParams.has(name))
      problems.push(`url: ${SECRET_ADVICE}, for example ${name}={env:API_KEY}`)
  return problems
}

export const SECRET_ADVICE = 'a credential does not belong into a definition; name an environment variable'

function headerProblems({ headers = {} }: AddressedSource): string[] {
  return Object.entries(headers)
    .filter(([name, value]) => SECRET_NAME.test(name) && value.match(PLACEHOLDER) === null)
    .map(([name]) => `header '${name}': ${SECRET_ADVICE}, for example 'Bearer {env:API_TOKEN}'`)
}

export function durationProblem(member: string, value: string): string[] {
  try {
    durationMs(value, member)
    return []
  } catch (error) {
    return [(error as Error).message]
  }
}

function pathProblem(member: string, path: string): string[] {
  const parsed = parseJsonPath(path)
  return parsed === null || parsed.element !== null
    ? [`${member}: '${path}' is not a JSON path of one value (example: $.meta.newest_id)`]
    : []
}
