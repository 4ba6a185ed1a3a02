/** The schema of the sinks of a definition, and what it cannot tell: every problem with its place. */
import { z } from 'zod'
import { nearest } from './definition-error.ts'
import { NAME } from './definition-limits.ts'
import { SECRET_NAME } from './secret-names.ts'
import type { SinkDefinition, WebhookSinkDefinition } from './sink-definition.ts'
import { durationProblem, PLACEHOLDER, SECRET_ADVICE, TOPIC } from './source-shape.ts'

const text = z.string()

const every = {
  name: text,
  view: text,
  query: z.record(text, z.union([text, z.array(text)])).optional(),
  every: text.optional(),
}

export const sinkSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('webhook'),
    ...every,
    url: text,
    headers: z.record(text, text).optional(),
    secret: text.optional(),
  }),
  z.strictObject({ kind: z.literal('kafka'), ...every, topic: text }),
])

/** Member names by kind. */
export const SINK_MEMBERS: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  sinkSchema.options.map(({ shape }) => [shape.kind.value, Object.keys(shape)]),
)

export const SINKS_MAX = 16
/** default of `every` */
export const SINK_EVERY = '1s'

/** What is wrong with sinks whose shape is right. @param views names of the dataset's views and series */
export function sinkProblems(sinks: readonly SinkDefinition[], views: readonly string[]): string[] {
  const problems: string[] = []
  if (sinks.length > SINKS_MAX) problems.push(`a dataset can have at most ${SINKS_MAX} sinks`)
  const names = new Set<string>()
  for (const sink of sinks) {
    const found = problemsOf(sink, views)
    if (names.has(sink.name)) found.push('another sink has the same name')
    names.add(sink.name)
    problems.push(...found.map((problem) => `sink '${sink.name}': ${problem}`))
  }
  return problems
}

/** Parameters of a query that say nothing of what is followed. */
const OF_ONE_REQUEST = ['cursor', 'atLeast', 'require']

function problemsOf(sink: SinkDefinition, views: readonly string[]): string[] {
  const problems: string[] = []
  if (!NAME.test(sink.name)) problems.push(`the name must match ${NAME.source}`)
  if (!views.includes(sink.view)) problems.push(`view: '${sink.view}' is unknown${nearest(sink.view, views)}`)
  const unfit = OF_ONE_REQUEST.find((name) => name in (sink.query ?? {}))
  if (unfit !== undefined) problems.push(`query: '${unfit}' is for a single request; leave it out`)
  if (sink.every !== undefined) problems.push(...durationProblem('every', sink.every))
  if (sink.kind === 'webhook') problems.push(...webhookProblems(sink))
  else if (!TOPIC.test(sink.topic)) problems.push(`topic: '${sink.topic}' is not the name of a Kafka topic`)
  return problems
}

function webhookProblems({ url, headers = {}, secret }: WebhookSinkDefinition): string[] {
  const problems = Object.entries(headers)
    .filter(([name, value]) => SECRET_NAME.test(name) && value.match(PLACEHOLDER) === null)
    .map(([name]) => `header '${name}': ${SECRET_ADVICE}, for example 'Bearer {env:API_TOKEN}'`)
  if (secret !== undefined && secret.match(PLACEHOLDER)?.[0] !== secret)
    problems.push(`secret: ${SECRET_ADVICE}, for example '{env:WEBHOOK_SECRET}'`)
  const filled = url.replace(PLACEHOLDER, 'env')
  if (!URL.canParse(filled)) return [...problems, `url: '${url}' is not an address`]
  const { protocol, username, password } = new URL(filled)
  if (!['https:', 'http:'].includes(protocol))
    problems.push(`url: the protocol of a webhook is https: or http:, not ${protocol}`)
  if (username !== '' || password !== '')
    problems.push("url: user and password are not sent; use the header authorization: 'Basic {env:API_LOGIN}'")
  return problems
}
