/** watershed dead-letters list | reasons | download | replay: events that could not be used, as GET …/dead-letters shows them. */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import { Command } from 'commander'
import { EventDeriver } from '#ingest/event-deriver.ts'
import { Intake } from '#ingest/intake.ts'
import { DeadLetterReasons } from '#serving/dead-letters/dead-letter-reasons.ts'
import { letterLines } from '#serving/dead-letters/letter-download.ts'
import { letterBytes } from '#serving/dead-letters/letter-files.ts'
import { cursorText, DEAD_LETTERS_MAX, lettersPage, parseCursor } from '#serving/dead-letters/letter-list.ts'
import {
  placeText,
  type Replayed,
  type ReplayParts,
  replayLetter,
  StillUnusableError,
  UncertainReplayError,
} from '#serving/dead-letters/replay-letter.ts'
import { LogGuard } from '#storage/lake/log-guard.ts'
import { type LetterPlace, ReplayLedger } from '#storage/replays/replay-ledger.ts'
import type { OpenDataset } from '../drivers/open-dataset.ts'
import { openTexts } from '../drivers/open-texts.ts'
import { intakeLimits } from '../roles/intake-limits.ts'
import { stopSignal } from '../signals.ts'
import { commandWith, type SharedOptions, withWorkspace } from './command-options.ts'
import { CommandError, EXIT_CODES } from './exit-codes.ts'
import { print, printJson, printTable, say } from './output.ts'
import type { Workspace } from './workspace.ts'

const LIMIT_DEFAULT = 20
const REASON = ['--reason <text>', 'only letters with this reason, or of this kind (see `reasons`)'] as const

interface Letter extends LetterPlace {
  readonly arrivedAt: string
  readonly reason: string
  readonly bytes: number
  readonly text: string | null
}

interface ListOptions extends SharedOptions {
  readonly reason?: string
  readonly limit?: string
  readonly cursor?: string
}
interface ReplayOptions extends SharedOptions {
  readonly reason?: string
  readonly event?: string
  readonly force?: boolean
}

export function deadLettersCommand(): Command {
  const dataset = ['<dataset>', 'name of the dataset'] as const
  const list = commandWith('list', 'List dead letters of closed segments, the newest first')
    .argument(...dataset)
    .option(...REASON)
    .option('--limit <n>', `maximum number of letters, up to ${DEAD_LETTERS_MAX} (default: ${LIMIT_DEFAULT})`)
    .option('--cursor <text>', 'show the next page: the cursor that the page before printed')
    .action(listLetters)
  const reasons = commandWith('reasons', 'Count dead letters of closed segments by kind of reason')
    .argument(...dataset)
    .action(countReasons)
  const download = commandWith('download', 'Print dead letters with all of their bytes, as NDJSON; or the bytes of one')
    .argument(...dataset)
    .argument('[letter]', 'for example 2:118: prints its event as it was sent')
    .option(...REASON)
    .action(downloadLetters)
  const replay = commandWith(
    'replay',
    'Append the event of a dead letter, as it is or corrected; each letter counts once',
  )
    .argument(...dataset)
    .argument('[letter]', 'for example 2:118; without it, all letters that --reason selects')
    .option(...REASON)
    .option('--event <file>', "file with the corrected event ('-': standard input)")
    .option('--force', 'also where it is not known whether an earlier replay was appended')
    .action(replayLetters)
  return new Command('dead-letters')
    .description('Events that could not be used, with their bytes and the reason')
    .addCommand(list)
    .addCommand(reasons)
    .addCommand(download)
    .addCommand(replay)
}

async function listLetters(dataset: string, options: ListOptions): Promise<void> {
  const { reason, limit = String(LIMIT_DEFAULT), cursor } = options
  const after = cursor === undefined ? undefined : (parseCursor(cursor) ?? undefined)
  if (cursor !== undefined && after === undefined) throw new CommandError('usage', `'${cursor}' is not a cursor`)
  if (!/^\d{1,4}$/.test(limit) || Number(limit) < 1 || Number(limit) > DEAD_LETTERS_MAX)
    throw new CommandError('usage', `--limit must be an integer from 1 to ${DEAD_LETTERS_MAX}`)
  const read = async (workspace: Workspace): ReturnType<typeof lettersPage> =>
    lettersPage(await workspace.dataset(dataset, 'late'), { limit: Number(limit), reason, after })
  const { texts, next } = await withWorkspace(options, 'serve', read, { dataset })
  if (texts.length === 0 && reason !== undefined)
    say(
      `no dead letter of a closed segment has this reason; \`watershed dead-letters reasons ${dataset}\` lists those there are`,
    )
  if (options.json)
    return print(`{"data":[${texts.join(',')}],"next":${JSON.stringify(next === null ? null : cursorText(next))}}`)
  const letters = texts.map((text) => JSON.parse(text) as Letter)
  printTable(
    ['letter', 'arrived', 'bytes', 'reason', 'event'],
    letters.map((letter) => [placeText(letter), letter.arrivedAt, letter.bytes, letter.reason, shownEvent(letter)]),
  )
  if (next !== null) say(`there are more: --cursor ${cursorText(next)}`)
}

/** The beginning of an event, for a table. */
function shownEvent({ text }: Letter): string {
  const shown = text ?? '(not UTF-8)'
  return shown.length <= 60 ? shown : `${shown.slice(0, 59)}…`
}

async function countReasons(dataset: string, options: SharedOptions): Promise<void> {
  const stop = stopSignal()
  const count = async (workspace: Workspace): ReturnType<DeadLetterReasons['count']> => {
    const open = await workspace.dataset(dataset, 'late')
    const generation = await open.lake.current().catch(() => null)
    return new DeadLetterReasons(open).count(generation, stop.signal)
  }
  const reasons = await withWorkspace(options, 'serve', count, { dataset }).finally(stop.dispose)
  const rows = reasons.map(({ newestAtMs, ...each }) => ({ ...each, newestAt: new Date(newestAtMs).toISOString() }))
  if (options.json) printJson(rows)
  else
    printTable(
      ['letters', 'newest', 'reason'],
      rows.map(({ count, newestAt, reason }) => [count, newestAt, reason]),
    )
}

async function downloadLetters(dataset: string, letter: string | undefined, options: ListOptions): Promise<void> {
  const stop = stopSignal()
  const write = async (workspace: Workspace): Promise<void> => {
    const open = await workspace.dataset(dataset, 'late')
    if (letter !== undefined) return void process.stdout.write(await bytesOf(open, placeOf(letter), stop.signal))
    for await (const lines of letterLines(open, options.reason ?? null, stop.signal)) print(lines.trimEnd())
  }
  await withWorkspace(options, 'serve', write, { dataset }).finally(stop.dispose)
}

async function replayLetters(dataset: string, letter: string | undefined, options: ReplayOptions): Promise<void> {
  if ((letter === undefined) === (options.reason === undefined))
    throw new CommandError('usage', 'name one letter, for example 2:118, or all of a kind with --reason')
  if (letter === undefined && options.event !== undefined)
    throw new CommandError('usage', '--event corrects one letter: name it')
  const { event, force } = options
  const corrected = event === undefined ? null : await eventOf(event)
  const stop = stopSignal()
  const replay = async (workspace: Workspace): Promise<void> => {
    const open = await workspace.dataset(dataset, 'late')
    const parts = await replayParts(workspace, open)
    const places = letter === undefined ? placesOf(open, options.reason!, stop.signal) : [placeOf(letter)]
    const told = { replayed: [] as Replayed[], unusable: [] as string[] }
    for await (const origin of places) {
      const bytes = corrected ?? (await bytesOf(open, origin, stop.signal))
      const one = { event: bytes, corrected: corrected !== null, force }
      await replayLetter(parts, origin, one).then(
        (replayed) => told.replayed.push(replayed),
        (error: Error) => {
          if (!(error instanceof StillUnusableError || error instanceof UncertainReplayError)) throw error
          told.unusable.push(error.message)
        },
      )
      if (stop.signal.aborted) break
    }
    tellReplay(told, options)
  }
  await withWorkspace(options, 'serve', replay, { dataset }).finally(stop.dispose)
}

function tellReplay(
  { replayed, unusable }: { readonly replayed: readonly Replayed[]; readonly unusable: readonly string[] },
  { json }: SharedOptions,
): void {
  if (json) printJson(replayed)
  else
    printTable(
      ['letter', 'event', ''],
      replayed.map(({ origin, to, repeated }) => [
        placeText(origin),
        placeText(to),
        repeated ? 'was replayed before' : 'appended',
      ]),
    )
  for (const message of unusable) say(message)
  if (unusable.length > 0) process.exitCode = EXIT_CODES.rejected.code
}

/** Appends as `ingest` does, beside processes that run. */
async function replayParts(workspace: Workspace, { dataset, lake }: OpenDataset): Promise<ReplayParts> {
  const { configuration, folder, scratchFolder, engine, emit } = workspace
  const log = await workspace.log(dataset.name)
  const guard = new LogGuard({ dataset: dataset.name, log, lake })
  const deriver = dataset.deciding && new EventDeriver(await engine.connect(), dataset.deciding, scratchFolder)
  const quiet: typeof emit = (event) => (event.name === 'rows-rejected' ? undefined : emit(event))
  const intake = new Intake({ dataset, deriver, log, guard, limits: intakeLimits(configuration), emit: quiet })
  return {
    ledger: new ReplayLedger(await openTexts('replays', { dataset: dataset.name, folder, configuration })),
    keyKeptMs: configuration.idempotencyKeepMs,
    offer: async (event, key) => {
      const fingerprint = createHash('sha256').update('event\n').update(event).digest('base64')
      const { appended, repeated, verdicts } = await intake.offer([event], { once: { key, fingerprint } })
      const [rejected] = verdicts.filter(({ status }) => status === 'rejected')
      const reason = rejected?.status === 'rejected' ? rejected.reason : null
      return { appended, repeated: repeated === true, reason }
    },
  }
}

async function* placesOf(open: OpenDataset, reason: string, signal: AbortSignal): AsyncGenerator<LetterPlace> {
  for await (const lines of letterLines(open, reason, signal))
    for (const line of lines.trimEnd().split('\n')) yield JSON.parse(line) as LetterPlace
}

async function bytesOf(open: OpenDataset, place: LetterPlace, signal: AbortSignal): Promise<Buffer> {
  const bytes = await letterBytes(open, place, signal)
  if (bytes !== null) return bytes
  throw new CommandError(
    'usage',
    `no closed segment of '${open.dataset.name}' has a dead letter at ${placeText(place)}`,
  )
}

/** @throws CommandError 'usage' */
function placeOf(text: string): LetterPlace {
  const [, partition, offset] = /^(\d{1,4}):(\d{1,15})$/.exec(text) ?? []
  if (offset === undefined)
    throw new CommandError('usage', `'${text}' is not the place of a dead letter (example: 2:118)`)
  return { partition: Number(partition), offset: Number(offset) }
}

/** Without the line end that editors add. @throws CommandError 'storage' */
async function eventOf(file: string): Promise<Buffer> {
  const text = await (file === '-' ? buffer(process.stdin) : readFile(file)).catch((error: Error) => {
    throw new CommandError('storage', `'${file}' cannot be read: ${error.message}; nothing was appended`)
  })
  return Buffer.from(text.toString('latin1').trimEnd(), 'latin1')
}
