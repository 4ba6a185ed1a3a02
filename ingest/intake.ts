/**
 * Validates the events of one dataset and appends the valid ones to the log. Resolves when the accepted events are durable:
 * they survive kill -9. A rejected event is not in the log; its verdict gives the reason.
 */
import { isUtf8 } from 'node:buffer'
import { setImmediate as turn } from 'node:timers/promises'
import type { CompiledDataset } from '#core/compiled.ts'
import type { OffsetRange } from '#core/offsets.ts'
import { releaseMemory } from '#core/release-memory.ts'
import type { LogGuard } from '#storage/lake/log-guard.ts'
import { type AppendedOnce, type AppendOnce, KeyReusedError, TooManyKeysError } from '#storage/log/append-once.ts'
import type { AppendBatch, EventLog } from '#storage/log/event-log.ts'
import { type SourceAppend, SourceMovedError } from '#storage/log/source-ledger.ts'
import { type Emit, silent } from '#telemetry/emit.ts'
import { checkRow, type RowCheck } from './check-row.ts'
import { type ConversionWarning, ConversionWarnings } from './conversion-warnings.ts'
import { derivedChecks } from './derived-checks.ts'
import type { EventDeriver } from './event-deriver.ts'
import { InFlight } from './in-flight.ts'
import { DEFAULT_INGEST_LIMITS, type IngestLimits, IntakeBusyError, OfferTooLargeError } from './ingest-limits.ts'
import { linesOf } from './ndjson-lines.ts'
import { partitionOf } from './partitioner.ts'
import { type AcceptedRow, PlacedRows, type RejectedRow } from './placed-rows.ts'
import { type Rows, rowOf, rowsOfList } from './rows.ts'

export { IntakeBusyError, OfferTooLargeError }

export type RowVerdict = AcceptedRow | RejectedRow

export interface IntakeResult {
  /** those that were asked for, in the order of the rows; blank lines are not rows */
  readonly verdicts: readonly RowVerdict[]
  readonly accepted: number
  readonly rejected: number
  /** accepted rows that fail validation (only with acceptUnusable): they become dead letters if the engine cannot use them either */
  readonly unusable: number
  /** values of accepted rows that could not be converted, by column */
  readonly warnings: readonly ConversionWarning[]
  /** where the accepted rows are in the log */
  readonly appended: readonly OffsetRange[]
  /** these rows were taken before, under the same key: nothing was appended now, and `appended` says where they are */
  readonly repeated: boolean
}

export interface IntakeParts {
  readonly dataset: Pick<CompiledDataset, 'name' | 'check' | 'scanKey' | 'scanFlat' | 'deciding'>
  /** decides on events where derived columns do: needed if `dataset.deciding` is not null */
  readonly deriver?: EventDeriver | null
  readonly log: EventLog
  /** keeps events out of a log that lost records; default: nothing does */
  readonly guard?: LogGuard
  readonly limits?: Partial<IngestLimits>
  /** receives rows-accepted, rows-rejected, values-unconverted, intake-busy, append-failed */
  readonly emit?: Emit
  /** monotonic, ms */
  readonly clock?: () => number
}

export interface OfferOptions {
  /** also append rows that fail validation: those that the engine cannot use become dead letters with their bytes */
  readonly acceptUnusable?: boolean
  /** rows that get a verdict in the result; default: all, which takes an object per row */
  readonly verdicts?: 'all' | 'rejected'
  /** makes a repeated offer count once */
  readonly once?: AppendOnce
  /** stores a source's cursor with the rows, also if none is accepted; only as long as its claim holds */
  readonly by?: SourceAppend
}

/** One row per element, without line ends; a whole NDJSON body; or the rows of a body. */
export type OfferedRows = Rows | Buffer | readonly (string | Buffer)[]

/** Rows and bytes validated before the event loop is yielded to. */
const ROWS_PER_TURN = 2_000
const BYTES_PER_TURN = 1024 * 1024
const LINE_FEED = 10
/** what the log refuses because of the request, not because of a fault */
const REFUSALS = [KeyReusedError, TooManyKeysError, SourceMovedError]

/** Whether events are taken, as far as it is known without offering any. */
export interface IntakeStatus {
  /** refused: until somebody acts; failing: the newest append failed, not long ago */
  readonly state: 'running' | 'failing' | 'refused'
  readonly fault: string | null
}

/** how long a failed append is reported as the state of the intake; then a client that stopped sending because of it can retry */
const FAILURE_MS = 10_000

/** What sources of events need of an intake. */
export interface EventIntake {
  readonly limits: IngestLimits
  /** As Intake.offer, one row per element. */
  offer(rows: readonly string[], options?: OfferOptions): Promise<IntakeResult>
}

export class Intake implements EventIntake {
  readonly #dataset: IntakeParts['dataset']
  readonly #log: EventLog
  readonly #guard: LogGuard | null
  readonly #deriver: EventDeriver | null
  readonly #emit: Emit
  readonly limits: IngestLimits
  readonly #inFlight: InFlight
  readonly #clock: () => number
  #failure: { readonly message: string; readonly atMs: number } | null = null

  constructor(parts: IntakeParts) {
    this.#dataset = parts.dataset
    this.#log = parts.log
    this.#guard = parts.guard ?? null
    this.#deriver = parts.deriver ?? null
    if (parts.dataset.deciding !== null && this.#deriver === null)
      throw new Error(
        `dataset '${parts.dataset.name}': its derived columns decide on events, so its intake needs an engine`,
      )
    this.#emit = parts.emit ?? silent
    this.#clock = parts.clock ?? (() => performance.now())
    this.limits = { ...DEFAULT_INGEST_LIMITS, ...parts.limits }
    this.#inFlight = new InFlight(parts.dataset.name, this.limits.inFlightBytesMax, this.#emit)
  }

  get status(): IntakeStatus {
    const refusal = this.#log.refusal ?? this.#guard?.refusal ?? null
    if (refusal !== null) return { state: 'refused', fault: refusal }
    const failure = this.#failure
    if (failure === null || this.#clock() - failure.atMs >= FAILURE_MS) return { state: 'running', fault: null }
    return { state: 'failing', fault: failure.message }
  }

  /**
   * Offers events; accepted ones keep their bytes. All of them are appended at once, or none.
   * @throws OfferTooLargeError if a limit is exceeded; IntakeBusyError if too much is in flight; whatever
   * the log throws if it cannot store them (then none of them is acknowledged)
   */
  async offer(offered: OfferedRows, options: OfferOptions = {}): Promise<IntakeResult> {
    const rows = this.#rows(offered)
    const bytes = rows.starts.reduce((sum, start, index) => sum + rows.ends[index]! - start + 1, 0)
    return this.#inFlight.during(bytes, () => this.#take(rows, bytes, options))
  }

  #rows(offered: OfferedRows): Rows {
    if (Array.isArray(offered)) {
      this.#assertCount(offered.length)
      return rowsOfList(offered)
    }
    const rows = Buffer.isBuffer(offered) ? linesOf(offered, this.limits.rowsMax) : (offered as Rows)
    this.#assertCount(rows.starts.length)
    return rows
  }

  #assertCount(count: number): void {
    const { rowsMax } = this.limits
    if (count > rowsMax)
      throw new OfferTooLargeError(`dataset '${this.#dataset.name}'`, count, 'events', 'requestRowsMax', rowsMax)
  }

  async #take(rows: Rows, bytes: number, options: OfferOptions): Promise<IntakeResult> {
    const { acceptUnusable = false, verdicts = 'all' } = options
    const placed = new PlacedRows(rows)
    const warnings = new ConversionWarnings()
    const text = isUtf8(rows.bytes)
    const nowMs = Date.now()
    const checks = this.#deriver === null ? null : await this.#derivedChecks(this.#deriver, rows, nowMs)
    const quickKey = this.#quickKey(rows, nowMs)
    let unusable = 0
    let first = 0
    for (let index = 0; index < rows.starts.length; index++) {
      if (index - first >= ROWS_PER_TURN || rows.starts[index]! - rows.starts[first]! >= BYTES_PER_TURN) {
        await turn()
        first = index
      }
      const fault = rows.faults?.get(index)
      if (fault !== undefined) {
        placed.reject(index, fault)
        continue
      }
      const isQuick = checks === null && (text || isUtf8(rowOf(rows, index)))
      const key = isQuick ? quickKey(index) : null
      if (key !== null) placed.accept(index, partitionOf(key, this.#log.partitions), key)
      else if (this.#place(rows, index, { acceptUnusable, nowMs, warnings, checks }, placed) === 'unusable') unusable++
    }
    const { ranges, repeated } = await this.#append(placed, options)
    if (repeated) return this.#repeatedResult(placed, ranges, { unusable, warnings: warnings.list() }, verdicts)
    const { accepted, rejected } = placed
    const told = warnings.list()
    this.#tell({ accepted, rejected, unusable, warnings: told, rows: rows.starts.length, bytes })
    return {
      verdicts: verdicts === 'all' ? placed.verdicts(ranges) : rejected,
      accepted,
      rejected: rejected.length,
      unusable,
      warnings: told,
      appended: ranges,
      repeated,
    }
  }

  /** What the first offer was told, as far as the same rows are still placed as they were then: its counts and places are those of the log. */
  #repeatedResult(
    placed: PlacedRows,
    ranges: readonly OffsetRange[],
    checked: Pick<IntakeResult, 'unusable' | 'warnings'>,
    verdicts: NonNullable<OfferOptions['verdicts']>,
  ): IntakeResult {
    const { name } = this.#dataset
    const accepted = ranges.reduce((sum, { start, end }) => sum + end - start, 0)
    const message = `dataset '${name}': ${accepted} events were repeated under the key of their first request, and are in the log already`
    this.#emit({ name: 'rows-repeated', level: 'debug', message, dataset: name })
    const rejected = placed.accepted + placed.rejected.length - accepted
    const told = { ...checked, accepted, rejected, appended: ranges, repeated: true }
    // The definition, or the number of partitions, changed since: which rows they were is not known any more.
    if (!placed.isPlacedIn(ranges)) return { ...told, verdicts: [] }
    return { ...told, verdicts: verdicts === 'all' ? placed.verdicts(ranges) : placed.rejected }
  }

  #derivedChecks(deriver: EventDeriver, rows: Rows, nowMs: number): Promise<RowCheck[]> {
    const { recordBytesMax } = this.limits
    return derivedChecks({ dataset: this.#dataset, deriver, recordBytesMax }, rows, nowMs)
  }

  /** Gives the key of an ordinary row; null: only the full check can decide. */
  #quickKey({ bytes, starts, ends, flat }: Rows, nowMs: number): (index: number) => string | null {
    const { recordBytesMax } = this.limits
    const scan = flat === undefined ? null : this.#dataset.scanFlat(flat)
    return (index) => {
      const [start, end] = [starts[index]!, ends[index]!]
      if (end - start > recordBytesMax) return null
      const first = scan === null ? 0 : index * flat!.names.length
      if (scan === null || flat!.ends[first] === 0) return this.#dataset.scanKey(bytes, start, end, nowMs)
      return scan.keyOf(bytes, start, flat!.ends, first, nowMs)
    }
  }

  /** Where the events of each partition are, in the order of their lines. */
  async #append(placed: PlacedRows, options: Pick<OfferOptions, 'once' | 'by'>): Promise<AppendedOnce> {
    const { once, by } = options
    if (placed.accepted === 0 && once === undefined && by === undefined) return { ranges: [], repeated: false }
    const batches = placed.batches()
    try {
      if (this.#guard !== null) await this.#guard.assertHolds()
      const appended = await this.#appendTo(batches, options)
      this.#failure = null
      for (const { lines } of batches) releaseMemory(lines)
      return appended
    } catch (error) {
      if (REFUSALS.some((refusal) => error instanceof refusal)) throw error
      const { name } = this.#dataset
      const message = `dataset '${name}': the log did not accept the events, none is acknowledged: ${(error as Error).message}`
      this.#failure = { message: (error as Error).message, atMs: this.#clock() }
      this.#emit({ name: 'append-failed', level: 'error', message, dataset: name })
      throw error
    }
  }

  async #appendTo(batches: AppendBatch[], { once, by }: Pick<OfferOptions, 'once' | 'by'>): Promise<AppendedOnce> {
    if (once !== undefined) return this.#log.appendOnce(batches, once)
    const append = by === undefined ? this.#log.append(batches) : this.#log.sources.append(batches, by)
    return { ranges: await append, repeated: false }
  }

  /** Decides where a row goes, with the full check. */
  #place(
    rows: Rows,
    index: number,
    { acceptUnusable, nowMs, warnings, checks }: PlaceOptions,
    placed: PlacedRows,
  ): 'usable' | 'unusable' | 'rejected' {
    const row = rowOf(rows, index)
    const { recordBytesMax } = this.limits
    const verdict = (reason: string): 'rejected' => {
      placed.reject(index, reason)
      return 'rejected'
    }
    if (row.length > recordBytesMax)
      return verdict(`the row has ${row.length} bytes, but the limit recordBytesMax is ${recordBytesMax}`)
    if (row.includes(LINE_FEED)) return verdict('the row contains a line break')
    const check = checks?.[index] ?? checkRow(this.#dataset, row, nowMs)
    if (!check.ok && !acceptUnusable) return verdict(check.reason)
    if (check.ok) warnings.add(index, check.failures)
    const key = check.ok ? check.key : row.toString('latin1')
    placed.accept(index, partitionOf(key, this.#log.partitions), key)
    return check.ok ? 'usable' : 'unusable'
  }

  #tell({ accepted, rejected, unusable, warnings, rows, bytes }: Told): void {
    const { name } = this.#dataset
    if (accepted > 0) {
      const message = `dataset '${name}': ${accepted} events were appended to the log`
      const fields = { accepted, unusable, bytes }
      this.#emit({ name: 'rows-accepted', level: 'debug', message, dataset: name, fields })
    }
    const [first] = rejected
    if (first) {
      const message = `dataset '${name}': ${rejected.length} of ${rows} rows were rejected; the first one is row ${first.index}: ${first.reason}`
      const fields = { rejected: rejected.length }
      this.#emit({ name: 'rows-rejected', level: 'info', message, dataset: name, fields })
    }
    if (warnings.length > 0) {
      const columns = warnings.map(
        ({ column, events, examples }) => `${column} in ${events} events, for example ${examples[0]!.value}`,
      )
      const message = `dataset '${name}': values could not be converted and are stored as NULL or the column's default: ${columns.join('; ')}`
      const fields = Object.fromEntries(warnings.map(({ column, events }) => [column, events]))
      this.#emit({ name: 'values-unconverted', level: 'info', message, dataset: name, fields })
    }
  }
}

interface PlaceOptions {
  readonly acceptUnusable: boolean
  readonly nowMs: number
  readonly warnings: ConversionWarnings
  /** of each row, where derived columns decide */
  readonly checks: readonly RowCheck[] | null
}

interface Told {
  readonly accepted: number
  readonly rejected: readonly RejectedRow[]
  readonly unusable: number
  readonly warnings: readonly ConversionWarning[]
  readonly rows: number
  readonly bytes: number
}
