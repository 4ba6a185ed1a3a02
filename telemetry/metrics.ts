/** Prometheus metrics of one process: counters of events, and gauges that are read at each scrape. */
import { Counter, Gauge, Histogram, Registry } from '@prometheus-io/client'
import { endsWithin } from '#core/ends-within.ts'
import type { PlatformEvent } from './emit.ts'

/** A state that is read at each scrape: name, labels and value. */
export interface StateReading {
  readonly name: keyof typeof STATE_METRICS
  readonly dataset: string
  readonly partition?: number
  /** only of metrics in COLUMN_METRICS */
  readonly column?: string
  /** only of metrics in SOURCE_METRICS */
  readonly source?: string
  /** only of metrics in SINK_METRICS */
  readonly sink?: string
  readonly value: number
}

export const STATE_METRICS = {
  watershed_log_end_offset: 'offset of the next append, per partition',
  watershed_position_offset: 'answers include every offset before this one, per partition',
  watershed_boundary_offset: 'the current generation includes every offset before this one, per partition',
  watershed_generation_age_seconds:
    'seconds since the current generation was completed; negative if a clock was ahead then',
  watershed_rows: 'usable events included in answers',
  watershed_dead_letters: 'unusable events',
  watershed_late_rows: 'late events',
  watershed_unconverted_values:
    'events before the open segments in which the value of a column could not be converted; per column',
  watershed_gap_offsets: 'offsets that were lost before they were read',
  watershed_verify_equal:
    '1 if the last completed verify found every view equal to its recount, 0 if it found a difference or a slice of history differed that was not found equal since, -1 if none was completed yet',
  watershed_verify_timestamp_seconds: 'Unix time at which the last verify was completed; 0 if none was completed yet',
  watershed_verify_whole_timestamp_seconds:
    'everything that was counted at this Unix time has been found equal since, at once or in slices; 0 if not yet',
  watershed_source_up:
    '1 if the source is read or waits for its next poll, 0 if it is paused, failing or not run; per source',
  watershed_source_events: 'events of the source in the log, dead letters included; per source',
  watershed_source_last_event_timestamp_seconds: 'Unix time of the last append of events of the source; per source',
  watershed_source_lag_seconds:
    'age of the newest event of the source when it was appended, by the clock of the other side; per source',
  watershed_sink_up: '1 if the sink delivers, 0 if it is failing, refused or not run; per sink',
  watershed_sink_deliveries: 'deliveries of the sink that its receiver has taken; per sink',
  watershed_sink_waiting_seconds: 'for how long the present delivery of the sink has not been taken; per sink',
} as const

/** Metrics that have the label `column` instead of `partition`. */
export const COLUMN_METRICS: ReadonlySet<string> = new Set(['watershed_unconverted_values'])

/** Metrics that have the label `source` instead of `partition`. */
export const SOURCE_METRICS: ReadonlySet<string> = new Set(
  Object.keys(STATE_METRICS).filter((name) => name.startsWith('watershed_source_')),
)

/** Metrics that have the label `sink` instead of `partition`. */
export const SINK_METRICS: ReadonlySet<string> = new Set(
  Object.keys(STATE_METRICS).filter((name) => name.startsWith('watershed_sink_')),
)

const READ_MS_MAX = 3_000

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

export class Metrics {
  readonly #registry = new Registry()
  readonly #read: () => Promise<readonly StateReading[]>
  readonly #readMsMax: number
  readonly #states = new Map<string, Gauge<'dataset' | 'partition' | 'column' | 'source' | 'sink'>>()
  readonly #events = this.#own(
    new Counter({
      name: 'watershed_events_total',
      help: 'platform events by name and level',
      labelNames: ['name', 'level', 'dataset'],
      registers: [],
    }),
  )
  readonly #http = this.#own(
    new Histogram({
      name: 'watershed_http_request_seconds',
      help: 'duration of HTTP requests',
      labelNames: ['method', 'route', 'status'],
      buckets: SECONDS,
      registers: [],
    }),
  )
  readonly #query = this.#own(
    new Histogram({
      name: 'watershed_query_seconds',
      help: 'duration of merged queries that were computed, waiting included',
      labelNames: ['dataset', 'view'],
      buckets: SECONDS,
      registers: [],
    }),
  )
  readonly #answers = this.#own(
    new Counter({
      name: 'watershed_answers_total',
      help: 'answers by how they were made: computed, joined to a computation in progress, or kept from before',
      labelNames: ['dataset', 'source'],
      registers: [],
    }),
  )
  readonly #live = this.#own(new Gauge({ name: 'watershed_live_readers', help: 'open live streams', registers: [] }))
  #scrape: Promise<string> | null = null
  #reading: Promise<readonly StateReading[]> | null = null

  /**
   * @param read states at scrape time; a fault there must not fail the scrape, so it should not throw
   * @param readMsMax a scrape waits no longer for it
   */
  constructor(read: () => Promise<readonly StateReading[]> = async () => [], readMsMax = READ_MS_MAX) {
    this.#read = read
    this.#readMsMax = readMsMax
    for (const [name, help] of Object.entries(STATE_METRICS)) {
      this.#states.set(
        name,
        this.#own(new Gauge({ name, help, labelNames: ['dataset', labelOf(name)], registers: [] })),
      )
    }
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  /** Counts an event by name and level. */
  count(event: PlatformEvent): void {
    this.#events.inc({ name: event.name, level: event.level, dataset: event.dataset ?? '' })
  }

  httpAnswered(method: string, route: string, status: number, ms: number): void {
    this.#http.observe({ method, route, status: String(status) }, ms / 1_000)
  }

  queryAnswered(dataset: string, view: string, ms: number): void {
    this.#query.observe({ dataset, view }, ms / 1_000)
  }

  answerGiven(dataset: string, source: 'computed' | 'joined' | 'kept'): void {
    this.#answers.inc({ dataset, source })
  }

  /** Live streams that are open now. */
  liveReaders(count: number): void {
    this.#live.set(count)
  }

  /** Scrapes at the same time share one; states that cannot be read in time are omitted. */
  text(): Promise<string> {
    this.#scrape ??= this.#scrapeOnce().finally(() => {
      this.#scrape = null
    })
    return this.#scrape
  }

  async #scrapeOnce(): Promise<string> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = null
    })
    const reading = this.#reading
    const read = await endsWithin(reading, this.#readMsMax)
    for (const gauge of this.#states.values()) gauge.reset()
    for (const { name, dataset, partition = '', column = '', source = '', sink = '', value } of read
      ? await reading
      : []) {
      const label = { partition: String(partition), column, source, sink }[labelOf(name)]
      this.#states.get(name)!.set({ dataset, [labelOf(name)]: label }, value)
    }
    return this.#registry.metrics()
  }

  #own<T extends Parameters<Registry['registerMetric']>[0]>(metric: T): T {
    this.#registry.registerMetric(metric)
    return metric
  }
}

function labelOf(metric: string): 'column' | 'source' | 'sink' | 'partition' {
  if (SINK_METRICS.has(metric)) return 'sink'
  if (SOURCE_METRICS.has(metric)) return 'source'
  return COLUMN_METRICS.has(metric) ? 'column' : 'partition'
}
