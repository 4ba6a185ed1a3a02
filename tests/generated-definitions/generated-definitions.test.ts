/**
 * Definitions from every two parts of the language together, over generated events, through the real embedded parts: each answer, at
 * whatever position it reports, is what plain code counts. Three days have the same definitions, a third each. GENERATED_RUNS=20 draws more
 * events for each; GENERATED_SEED=<seed> repeats the events of a run, and GENERATED_DEFINITIONS=<seed> its definitions.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Random } from '#datasets/random.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import { ofToday, PERIOD } from '../by-day.ts'
import { until } from '../until.ts'
import { type GeneratedPlatform, openGenerated, PARTITIONS } from './generated-platform.ts'
import {
  askedGrain,
  datasetOf,
  EVERY_MS,
  type Expected,
  FACTORS,
  factsOf,
  type GeneratedChoice,
  type PlainRow,
  plainAnswer,
  WINDOW_MS,
} from './generated-view.ts'
import { pairwise } from './pairwise.ts'
import { answeredFrom, arrivalOf, NO_PAST, type PlainPast, pastOf } from './plain-past.ts'
import { type Arrival, BASE_MS, type Reading, readings, type Sent } from './reading.ts'

const PARTS = 3
/** a failure is shown as small as it has become by then */
const SEARCH_MS_MAX = 100_000
const seed = Number(process.env.GENERATED_SEED ?? Date.now() % 2 ** 31)
const runs = Number(process.env.GENERATED_RUNS ?? 1)
const definitions = Number(process.env.GENERATED_DEFINITIONS ?? PERIOD)
const random = new Random(definitions)
const choices = ofToday(
  'generated definitions',
  pairwise(FACTORS, (limit) => random.below(limit)),
)

let folder: string
let engine: DuckDbEngine
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'watershed-generated-'))
  engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
})
afterAll(() => {
  engine.close()
  rmSync(folder, { recursive: true })
})

const seen = { answers: 0, merged: 0, narrowed: 0 }

interface Recorded {
  readonly partition: number
  readonly offset: number
  /** in which it arrived */
  readonly part: number
  readonly reading: Reading | null
}

class Run {
  readonly #choice: GeneratedChoice
  readonly #platform: GeneratedPlatform
  readonly #recorded: Recorded[] = []
  #part = 0
  /** by generation */
  readonly #pasts = new Map<string, PlainPast>()

  constructor(choice: GeneratedChoice, platform: GeneratedPlatform) {
    this.#choice = choice
    this.#platform = platform
  }

  async through(events: readonly Sent[], arrives: (atMs: number) => void): Promise<void> {
    const size = Math.ceil(events.length / PARTS)
    for (let part = 0; part < PARTS; part++) {
      this.#part = part
      arrives(arrivalOf(part))
      await this.#append(events.slice(part * size, (part + 1) * size))
      await this.#ask(null)
      // The first generation is to have something, and what has arrived by then decides what is old.
      if (part === 0 || this.#choice.keep !== 'forever') await this.#closed()
      await this.#publish()
      await this.#ask(null)
    }
    await this.#ask(this.#ends())
    expect(this.#platform.faults).toEqual([])
  }

  async #append(events: readonly Sent[]): Promise<void> {
    if (events.length === 0) return
    const { verdicts } = await this.#platform.intake.offer(
      events.map(({ text }) => text),
      { acceptUnusable: true },
    )
    for (const verdict of verdicts) {
      if (verdict.status === 'rejected') throw new Error(`event ${verdict.index}: ${verdict.reason}`)
      const { partition, offset, index } = verdict
      this.#recorded.push({ partition, offset, part: this.#part, reading: events[index]!.reading })
    }
  }

  /** Until open segments are not full. */
  async #closed(): Promise<void> {
    const { lake } = this.#platform
    const most = segmentRecordsMax(this.#choice)
    const isClosed = async (): Promise<boolean> => {
      const chains = await lake.chains(PARTITIONS)
      return chains.every(({ partition, end }) => {
        const recorded = this.#recorded.filter((one) => one.partition === partition)
        return recorded.length - end < most
      })
    }
    await until('all segments but the last ones are closed', isClosed)
  }

  async #publish(): Promise<void> {
    const mode = modeOf(this.#choice.publish, this.#part)
    if (mode === null) return
    const { lake } = this.#platform
    const base = await lake.current()
    await this.#platform.publish(mode)
    const { id, boundary } = (await lake.current())!
    if (id === base?.id) return
    const chains = await lake.chains(boundary.length)
    const ends = chains.flatMap(({ partition, segments }) =>
      segments.filter(({ end }) => end <= boundary[partition]!).map(({ end }) => [partition, end - 1] as const),
    )
    const isLast = ({ partition, offset }: Recorded): boolean =>
      ends.some(([p, last]) => p === partition && last === offset)
    const counted = this.#recorded.filter(({ partition, offset }) => offset < boundary[partition]!)
    const times = counted.flatMap(({ reading }) => (reading === null ? [] : reading.atUs / 1_000))
    const known = {
      arrivals: this.#recorded.filter(isLast).map(({ part }) => arrivalOf(part)),
      oldestMs: Math.min(...times),
    }
    const before = base === null ? NO_PAST : this.#pasts.get(base.id)!
    this.#pasts.set(id, pastOf(this.#choice, known, before, mode === 'full' || base === null))
  }

  /** @param atLeast the position to wait for */
  async #ask(atLeast: string | null): Promise<void> {
    const choice = this.#choice
    const parameters = new URLSearchParams(choice.rank === 'none' ? { limit: '10000' } : {})
    const grain = askedGrain(choice)
    if (grain !== null) parameters.set('grain', grain)
    const atMs = choice.time === 'window' ? BASE_MS + 75 * EVERY_MS : null
    if (atMs !== null) parameters.set('at', String(atMs))
    const fromMs = askedFrom(choice, this.#part)
    if (fromMs !== undefined) parameters.set('from', String(fromMs))
    if (atLeast !== null) parameters.set('atLeast', atLeast)
    const reply = await this.#platform.app.inject(`/v1/datasets/generated/views/v?${parameters}`)
    expect(reply.statusCode, reply.body).toBe(200)
    const { data, meta } = reply.json() as {
      data: Record<string, unknown>[]
      meta: {
        position: number[]
        deadLetters: number
        removed: { from: string } | null
        generation: { id: string } | null
      }
    }
    const counted = this.#recorded.filter(({ partition, offset }) => offset < meta.position[partition]!)
    if (atLeast !== null) expect(counted.length).toBe(this.#recorded.length)
    expect(meta.deadLetters).toBe(counted.filter(({ reading }) => reading === null).length)
    const facts = factsOf(
      choice,
      counted.filter((one): one is Recorded & { reading: Reading } => one.reading !== null),
    )
    const asked = atMs === null ? { fromMs, toMs: undefined } : { fromMs: atMs - WINDOW_MS, toMs: atMs }
    // A resident answer can still be of the generation before.
    const past = meta.generation === null ? NO_PAST : this.#pasts.get(meta.generation.id)!
    const left = answeredFrom(past, grain, asked.fromMs)
    // A part of a window is not answered.
    const answered = left !== null && atMs !== null ? atMs : left
    expect(meta.removed?.from ?? null).toBe(answered === null ? null : new Date(answered).toISOString())
    const range = { fromMs: answered ?? asked.fromMs ?? -Infinity, toMs: asked.toMs ?? Infinity }
    expectRows(data, plainAnswer(choice, facts, range), choice.rank !== 'none')
    seen.answers++
    if (Math.max(past.hour, past.day) > -Infinity) seen.merged++
    if (answered !== null) seen.narrowed++
  }

  #ends(): string {
    const ends = new Map<number, number>()
    for (const { partition, offset } of this.#recorded)
      ends.set(partition, Math.max(ends.get(partition) ?? 0, offset + 1))
    return [...ends].map(([partition, end]) => `${partition}:${end}`).join(',')
  }
}

function modeOf(publish: GeneratedChoice['publish'], part: number): 'full' | 'incremental' | null {
  if (publish === 'full') return part === 1 ? 'full' : null
  if (publish === 'full then incremental') return part === 0 ? 'full' : 'incremental'
  return publish === 'incremental twice' && part > 0 ? 'incremental' : null
}

/** Only closed segments tell what is old: each part of the events is to have some. */
function segmentRecordsMax({ segments, keep }: GeneratedChoice): number {
  return keep === 'forever' ? Number(segments) : 3
}

/** In the midst of the events, in every second part. */
function askedFrom({ time, keep }: GeneratedChoice, part: number): number | undefined {
  if (keep === 'forever' || part % 2 === 0 || time === 'all' || time === 'window') return undefined
  return time === 'hour' ? BASE_MS : BASE_MS + 30 * EVERY_MS
}

function expectRows(rows: readonly Record<string, unknown>[], wanted: readonly PlainRow[], inOrder: boolean): void {
  const keyOf = (row: Readonly<Record<string, unknown>>): string => {
    const { rows: _rows, one: _one, other: _other, ...keys } = row
    return JSON.stringify(Object.entries(keys).toSorted(([a], [b]) => (a < b ? -1 : 1)))
  }
  const sorted = <T extends Readonly<Record<string, unknown>>>(some: readonly T[]): readonly T[] =>
    inOrder ? some : some.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
  const [found, plain] = [sorted(rows), sorted(wanted)]
  expect(found.map(keyOf)).toEqual(plain.map(keyOf))
  for (const [at, row] of found.entries())
    for (const name of ['rows', 'one', 'other']) expectValue(row[name], plain[at]![name]!, `${keyOf(row)}, ${name}`)
}

function expectValue(value: unknown, wanted: Expected, where: string): void {
  if (wanted === null || typeof wanted !== 'object') {
    expect(value, where).toBe(wanted)
    return
  }
  expect(value, where).toBeTypeOf('number')
  expect(Math.abs((value as number) - wanted.near), `${where}: ${value}, wanted ${wanted.near}`).toBeLessThanOrEqual(
    wanted.within,
  )
}

async function check(choice: GeneratedChoice, events: readonly Sent[]): Promise<void> {
  let nowMs = BASE_MS
  const platform = await openGenerated({
    folder,
    engine,
    definition: datasetOf(choice),
    segmentRecordsMax: segmentRecordsMax(choice),
    resident: choice.answers === 'resident',
    ...(choice.keep !== 'forever' && { clock: () => nowMs }),
  })
  try {
    await new Run(choice, platform).through(events, (atMs) => {
      nowMs = atMs
    })
  } finally {
    await platform.close()
  }
}

describe(`definitions of seed ${definitions}, events of seed ${seed}`, () => {
  test.each(choices)(
    '$measure, $time by $grain, $unnest, $dimensions, $rank, $arrival, $segments, $publish, $keep',
    async (choice) => {
      const property = fc.asyncProperty(
        readings(choice.arrival as Arrival, choice.keep === 'forever' ? 1 : 8 * PARTS),
        (events) => check(choice, events),
      )
      await fc.assert(property, { numRuns: runs, seed, interruptAfterTimeLimit: SEARCH_MS_MAX })
    },
  )
  test('some of the answers are of what was left of old panes', () => {
    console.log(
      `${seen.answers} answers, ${seen.merged} where panes were merged, ${seen.narrowed} without what was removed`,
    )
    expect(Math.min(seen.merged, seen.narrowed)).toBeGreaterThan(0)
  })
})
