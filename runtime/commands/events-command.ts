/** watershed events <dataset>: raw events like GET /v1/datasets/{dataset}/events, newest first; prints a table, or JSON for programs. */
import type { Command } from 'commander'
import { type EVENTS_PARAMETERS, parseEventsQuery } from '#serving/http/queries/parse-events-query.ts'
import { type EventsMeta, eventsPage } from '#serving/raw-events/events-page.ts'
import { EVENTS_LIMITS } from '#serving/raw-events/events-query.ts'
import { collect, commandWith, type SharedOptions, withWorkspace } from './command-options.ts'
import { keepDigits, print, printTable, say } from './output.ts'
import type { Workspace } from './workspace.ts'

type EventsTexts = { readonly [Name in Exclude<(typeof EVENTS_PARAMETERS)[number], 'raw' | 'filter'>]?: string }
type EventsOptions = SharedOptions & EventsTexts & { readonly filter?: readonly string[]; readonly raw?: boolean }

interface ShownEvent {
  readonly partition: number
  readonly offset: number
  readonly time: string
  readonly columns: Readonly<Record<string, unknown>>
  readonly raw?: string | null
}

export function eventsCommand(): Command {
  return commandWith('events', 'Show raw events, newest first')
    .argument('<dataset>', 'name of the dataset')
    .option('--key <value>', "value of the dataset's key column")
    .option('--filter <column:operator:value>', 'for example country:eq:us; repeatable', collect)
    .option('--from <time>', 'start of the event-time range, ISO 8601 or epoch ms')
    .option('--to <time>', 'end of the range, exclusive')
    .option(
      '--limit <n>',
      `maximum number of events, up to ${EVENTS_LIMITS.eventsMax} (default: ${EVENTS_LIMITS.eventsDefault})`,
    )
    .option('--cursor <text>', 'show the next page: the cursor that the page before printed')
    .option('--raw', 'print the JSON of each event as it was sent, one a line')
    .action(events)
}

async function events(dataset: string, options: EventsOptions): Promise<void> {
  const { key, filter, from, to, limit, cursor, raw } = options
  const query = parseEventsQuery(dataset, { key, filter, from, to, limit, cursor, raw: raw ? 'true' : undefined })
  const read = async (workspace: Workspace): ReturnType<typeof eventsPage> => {
    const open = await workspace.dataset(dataset, 'late')
    const { dataset: definition, lake, store, engine, log, partitions } = open
    const { scratchFolder, configuration } = workspace
    const { queryMsMax, answerBytesMax } = configuration
    const served = { dataset: definition, lake, store, engine, log, partitions, scratchFolder }
    return eventsPage(served, query, { queryMsMax, answerBytesMax })
  }
  const { rowsJson, rowCount, meta } = await withWorkspace(options, 'serve', read, { dataset })
  if (options.json) return print(`{"data":${rowsJson},"meta":${JSON.stringify(meta)}}`)
  const shown = JSON.parse(rowsJson, keepDigits) as ShownEvent[]
  if (!raw) showTable(shown)
  else for (const event of shown) if (event.raw) print(event.raw)
  sayEnd(rowCount, meta)
}

function showTable(shown: readonly ShownEvent[]): void {
  const heads = Object.keys(shown[0]?.columns ?? {})
  printTable(
    ['position', 'time', ...heads],
    shown.map(({ partition, offset, time, columns }) => [
      `${partition}:${offset}`,
      time,
      ...heads.map((head) => columns[head]),
    ]),
  )
}

function sayEnd(count: number, meta: EventsMeta): void {
  const { cursor, endedBy, read, gaps, liveMissing, rawMissing } = meta
  const looked = `read ${read.files} files with ${read.rows} events, and ${read.openRecords} records of the log`
  say(`${count} events; ${looked}`)
  if (rawMissing > 0) say(`the JSON of ${rawMissing} events is not kept`)
  if (gaps.length > 0) say(`the log has ${gaps.length} gaps here, whose events were lost; run \`watershed doctor\``)
  if (liveMissing !== null) say(`events behind the closed segments are missing: ${liveMissing}`)
  if (cursor === null) say('there are no more events')
  else say(`${endedBy === 'limit' ? 'there may be more' : `${endedBy} is reached`}: --cursor ${cursor}`)
}
