/** watershed query <dataset> <view>: queries a view like GET /v1/datasets/{dataset}/views/{view}; prints a table, or JSON for programs. */
import type { Command } from 'commander'
import { answerQuery } from '#serving/answers/merged-view.ts'
import { parseQuery, QUERY_PARAMETERS, type QueryTexts } from '#serving/http/parse-query.ts'
import { collect, commandWith, type SharedOptions, withWorkspace } from './command-options.ts'
import { PLAIN_NUMBER, print, printTable, say } from './output.ts'

type QueryOptions = SharedOptions & QueryTexts

/** One flag per HTTP parameter. */
const FLAGS: Readonly<Record<(typeof QUERY_PARAMETERS)[number], readonly [placeholder: string, meaning: string]>> = {
  measures: ['<names>', 'comma-separated measures (default: all)'],
  dimensions: ['<names>', 'comma-separated dimensions (default: those of the ranking, or all)'],
  filter: ['<dimension:operator:value>', 'for example country:eq:us; repeatable'],
  from: ['<time>', 'start of the event-time range, ISO 8601 or epoch ms'],
  to: ['<time>', 'end of the range, exclusive'],
  grain: ['<grain>', 'adds a time column: minute, hour, day …'],
  timezone: ['<name>', 'IANA time zone of the grain (default: UTC)'],
  order: ['<names>', 'comma-separated columns to order by; -name for descending'],
  limit: ['<n>', 'maximum number of rows'],
  at: ['<time>', 'windowed views: the time whose window is wanted; also now, latest'],
  per: ['<names>', 'rank within each combination of these dimensions'],
}

export function queryCommand(): Command {
  const command = commandWith('query', 'Query a view')
    .argument('<dataset>', 'name of the dataset')
    .argument('<view>', 'name of the view')
  for (const [name, [placeholder, meaning]] of Object.entries(FLAGS)) {
    if (name === 'filter') command.option(`--${name} ${placeholder}`, meaning, collect)
    else command.option(`--${name} ${placeholder}`, meaning)
  }
  return command.action(query)
}

async function query(dataset: string, view: string, options: QueryOptions): Promise<void> {
  const texts = Object.fromEntries(QUERY_PARAMETERS.map((name) => [name, options[name]]))
  const { rowsJson, meta } = await withWorkspace(options, 'serve', async (workspace) => {
    const open = await workspace.dataset(dataset)
    return answerQuery(open, parseQuery(dataset, view, texts), { queryMsMax: workspace.configuration.queryMsMax })
  })
  if (options.json) {
    print(`{"data":${rowsJson},"meta":${JSON.stringify(meta)}}`)
    return
  }
  const rows = JSON.parse(rowsJson, keepDigits) as Record<string, unknown>[]
  const heads = Object.keys(rows[0] ?? {})
  printTable(
    heads,
    rows.map((row) => heads.map((head) => row[head])),
  )
  say(
    `${rows.length} rows${meta.truncated ? ' (truncated; raise --limit)' : ''}; generation ${meta.generation?.id ?? 'none'}, as of ${meta.asOf ?? 'never'}`,
  )
  if (!meta.gapFree) say(`the log has ${meta.gaps.length} gaps, whose events were lost; run \`watershed doctor\``)
}

/** Keeps all digits of a number that JavaScript would round. */
function keepDigits(this: unknown, _key: string, value: unknown, context?: { source?: string }): unknown {
  const source = context?.source
  if (typeof value !== 'number' || source === undefined || !PLAIN_NUMBER.test(source)) return value
  return String(value) === source ? value : source
}
