/** watershed query <dataset> [view]: queries a view as a program does over HTTP; prints a table, or JSON for programs. */
import type { Command } from 'commander'
import { answerView } from '#serving/answers/answer-from-rows.ts'
import type { AnswerMeta } from '#serving/answers/answer-meta.ts'
import { profileQuery } from '#serving/answers/merged-view.ts'
import type { Page } from '#serving/answers/paged-answers.ts'
import { planFor, viewsOf } from '#serving/answers/query-plan.ts'
import type { QUERY_PARAMETERS } from '#serving/http/queries/parse-query.ts'
import { type AskedOptions, type AskedQuestion, assertRequired, questionOf } from './asked-question.ts'
import { type Asked, askUpToDate, logEnd, sayBehind } from './asked-up-to-date.ts'
import { collect, commandWith, type SharedOptions, withWorkspace } from './command-options.ts'
import { CommandError } from './exit-codes.ts'
import { exportRows } from './export-rows.ts'
import { keepDigits, print, printTable, say } from './output.ts'
import { isFurtherPage, keepPages, keptPage } from './query-pages.ts'
import { removedText } from './removed-text.ts'
import { explainedAs, sayExplanation, type TimedAnswer } from './say-explanation.ts'
import type { Workspace } from './workspace.ts'
import {
  encoded,
  type OutputOptions,
  type WrittenAs,
  withOutputOptions,
  writeOut,
  writtenAs,
} from './written-answer.ts'

type QueryOptions = SharedOptions &
  AskedOptions & {
    readonly catchUp: boolean
    readonly wait?: boolean
    readonly explain?: boolean
  } & OutputOptions

/** One flag per HTTP parameter, except `require`, which is `--require-live` and `--require-current`. */
const FLAGS: Readonly<
  Record<Exclude<(typeof QUERY_PARAMETERS)[number], 'require'>, readonly [placeholder: string, meaning: string]>
> = {
  measures: ['<names>', 'comma-separated measures (default: all)'],
  dimensions: ['<names>', 'comma-separated dimensions (default: those of the ranking, or all)'],
  filter: ['<dimension:operator:value>', 'for example country:eq:us; repeatable'],
  having: ['<measure:operator:value>', 'for example sales:gte:100; repeatable'],
  from: ['<time>', 'start of the event-time range, ISO 8601 or epoch ms'],
  to: ['<time>', 'end of the range, exclusive'],
  grain: ['<grain>', 'adds a time column: minute, hour, day …'],
  fill: ['<word>', 'rows for buckets without events, too: zero, null or previous'],
  timezone: ['<name>', 'IANA time zone of the grain, and of times without an offset (default: UTC)'],
  order: ['<names>', 'comma-separated columns to order by; -name for descending'],
  limit: ['<n>', 'maximum number of rows'],
  compare: ['<shift>', 'also what each row was in an earlier period: previous, 7d, 1month …'],
  totals: ['<true>', 'also the measures of all groups together'],
  shares: ['<names>', 'comma-separated measures: what each row has of the total, as <measure>_share'],
  every: [
    '<step>',
    'windowed views: each window that ends at a multiple of this step after --from, up to --to: 5m, 1h …',
  ],
  at: ['<time>', 'windowed views: the time whose window is wanted; also now, latest'],
  per: ['<names>', 'rank within each combination of these dimensions'],
  cursor: ['<text>', 'start: the first page, of --limit rows; then the cursor that the page before printed'],
  atLeast: ['<position>', 'wait until the answer counts this position, as the answer to sent events has it'],
}

export function queryCommand(): Command {
  const command = commandWith('query', 'Query a view')
    .argument('<dataset>', 'name of the dataset')
    .argument('[view]', 'name of the view or series')
  for (const [name, [placeholder, meaning]] of Object.entries(FLAGS)) {
    const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)} ${placeholder}`
    if (name === 'filter' || name === 'having') command.option(flag, meaning, collect)
    else command.option(flag, meaning)
  }
  command.option('--json-query <file>', 'the whole query as JSON, as POST …/query takes it, from a file or - for stdin')
  withOutputOptions(command)
  command.option('--wait', 'wait until the answer counts every event that is in the log now')
  command.option('--require-live', 'fail if events of open segments may be missing in the answer')
  command.option('--require-current', 'fail if the view is answered by its earlier definition')
  command.option('--explain', 'also say what the answer was merged from, how long it took, and what would help')
  command.option('--no-catch-up', 'answer without folding events that no stream role has folded')
  return command.action(query)
}

async function query(dataset: string, view: string | undefined, options: QueryOptions): Promise<void> {
  const question = await questionOf(dataset, view, options)
  const as = writtenAs(options)
  if (isFurtherPage(question)) return furtherPage(dataset, question, as, options)
  if (question.everyRow) return exportRows(dataset, question, as, options)
  const asking = async (workspace: Workspace): Promise<Asked<TimedAnswer> & { readonly bytes: Buffer | null }> => {
    const open = await workspace.dataset(dataset, 'late')
    const { queryMsMax, answerBytesMax } = workspace.configuration
    const ask = async (): Promise<TimedAnswer> => {
      const beganMs = performance.now()
      const answer = await answerView(open, question.query, { queryMsMax, answerBytesMax })
      const stored = viewsOf(planFor(open.dataset, question.query))
      return { ...answer, stored, tookMs: performance.now() - beganMs, engine: null }
    }
    const { catchUp } = options
    const position = options.wait ? await logEnd(open) : question.atLeast(open)
    const asked = await askUpToDate(workspace, open, ask, { position, catchUp })
    await keepPages(workspace, asked)
    const isExplained = options.explain || question.explain
    const engine = isExplained ? await profileQuery(open, question.query, { queryMsMax }).catch(() => null) : null
    return { ...asked, engine, bytes: as === null ? null : await encoded(asked, as, workspace) }
  }
  const answered = await withWorkspace(options, 'serve', asking, { dataset })
  const { rowsJson, meta, upToDate, bytes } = answered
  assertRequired(question.required, meta)
  const explained =
    (options.explain || question.explain) && answered.snapshot ? explainedAs(answered, answered.snapshot) : null
  const member = explained === null ? '' : `,"explain":${JSON.stringify(explained)}`
  if (as !== null && bytes !== null) {
    await writeOut([bytes], as)
    sayRows(answered.rowCount, meta)
  } else if (options.json) print(`{"data":${rowsJson},"meta":${JSON.stringify(meta)}${member}}`)
  else show(rowsJson, meta)
  sayNext(meta)
  if (explained !== null && (as !== null || !options.json)) sayExplanation(explained)
  sayBehind(meta, upToDate)
}

/** A page after the first one: of the moment of the first one, whatever was appended since. */
async function furtherPage(
  dataset: string,
  question: AskedQuestion,
  as: WrittenAs | null,
  options: QueryOptions,
): Promise<void> {
  if (options.explain || question.explain)
    throw new CommandError('usage', '--explain explains the first page; the others are read from what it kept')
  const reading = async (
    workspace: Workspace,
  ): Promise<Omit<Page, 'snapshot' | 'computed'> & { readonly bytes: Buffer | null }> => {
    workspace.definition(dataset)
    const page = await keptPage(workspace, question.query)
    return { ...page, bytes: as === null ? null : await encoded(page, as, workspace) }
  }
  const { rowsJson, rowCount, meta, bytes } = await withWorkspace(options, 'serve', reading, { dataset })
  assertRequired(question.required, meta)
  if (as !== null && bytes !== null) {
    await writeOut([bytes], as)
    sayRows(rowCount, meta)
  } else if (options.json) print(`{"data":${rowsJson},"meta":${JSON.stringify(meta)}}`)
  else show(rowsJson, meta)
  sayNext(meta)
}

function sayNext({ next }: AnswerMeta): void {
  if (next !== null) say(`next page: --cursor ${next}`)
}

function show(rowsJson: string, meta: AnswerMeta): void {
  const rows = JSON.parse(rowsJson, keepDigits) as Record<string, unknown>[]
  const heads = Object.keys(rows[0] ?? {})
  printTable(
    heads,
    rows.map((row) => heads.map((head) => row[head])),
  )
  sayRows(rows.length, meta)
}

function sayRows(rows: number, meta: AnswerMeta): void {
  say(
    `${rows} rows${meta.truncated && meta.next === null ? ' (truncated; raise --limit, or use --all)' : ''}; generation ${meta.generation?.id ?? 'none'}, as of ${meta.asOf ?? 'never'}`,
  )
  if (meta.totals !== null) say(`in total: ${JSON.stringify(meta.totals)}`)
  if (meta.outdated !== null)
    say(
      `answered by the earlier definition of the view, which differs in: ${meta.outdated.changes.join(', ')}; run \`watershed backfill ${meta.dataset}\``,
    )
  if (meta.removed !== null) say(removedText(meta.removed))
  if (!meta.gapFree) say(`the log has ${meta.gaps.length} gaps, whose events were lost; run \`watershed doctor\``)
}
