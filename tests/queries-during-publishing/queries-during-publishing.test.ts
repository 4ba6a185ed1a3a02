/**
 * Questions all the time, while events come in, segments close, generations publish, roll back and are removed, small segments
 * are compacted, the log is trimmed, and the stream role is replaced. Every answer must be the plain recount of the events
 * before exactly the positions that it reports itself. A failure prints its seed: PUBLISHING_SEED=<seed> repeats the choices
 * (not the threads' timing).
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { Random } from '#datasets/random.ts'
import { ResidentTable } from '#serving/live/resident-table.ts'
import { type TallyFeed, ViewTally } from '#serving/tally/view-tally.ts'
import type { SegmentChain } from '#storage/lake/lake.ts'
import type { OpenPartials, PartialRow, SpeedStore } from '#storage/speed-store/speed-store.ts'
import { ofToday } from '../by-day.ts'
import { until } from '../until.ts'
import { type AskedQuery, randomQuery, urlOf } from './asked-query.ts'
import { checkAnswer, parseAnswer } from './check-answer.ts'
import { OrdersFollower } from './follow-orders.ts'
import { Ledger } from './ledger.ts'
import { PARTITIONS } from './orders.ts'
import { OrdersPlatform, type Sabotage, type ServedOrders } from './orders-platform.ts'
import { SeededOrders } from './seeded-orders.ts'

const READERS = 3
/** of resident states */
const FOLLOWERS = 4
const DECK = {
  incremental: 7,
  full: 3,
  rollBack: 4,
  compact: 3,
  replaceStream: 3,
} as const
type Act = keyof typeof DECK
const DECK_SIZE = Object.values(DECK).reduce((sum, times) => sum + times, 0)
/** comes last, so that there surely was something to roll back, to compact and to remove */
const LAST: readonly Act[] = ['full', 'incremental', 'rollBack', 'incremental', 'compact', 'incremental']
/** on a slow machine the rest of the deck is left out */
const DECK_MS_MAX = 8_000
const APPEND_ROWS_MAX = 18
const APPEND_PAUSE_MS_MAX = 25
/** readers that never wait would leave no processor to what is published meanwhile */
const READ_PAUSE_MS_MAX = 60
const ACT_PAUSE_MS_MAX = 100
/** the acts are followed by as many answers, segments and runs as it takes */
const ANSWERS_MIN = 100
const SEGMENTS_MIN = 50
/** that answers came from */
const GENERATIONS_MIN = 3
const ENOUGH_MS_MAX = 150_000
/** how long two owners believe that they have the same partitions */
const OVERLAP_MS = 150
const DRAIN_MS_MAX = 180_000
const seed = Number(process.env.PUBLISHING_SEED ?? Date.now() % 2 ** 31)

interface Outcome {
  readonly platform: OrdersPlatform
  readonly ledger: Ledger
  readonly answers: number
  /** questions that were refused because files went away under them too often: no answer, and so no wrong one */
  readonly refused: number
  readonly logStarts: readonly number[]
  readonly generations: ReadonlySet<string>
  readonly followers: readonly OrdersFollower[]
}

class Run {
  readonly platform: OrdersPlatform
  readonly ledger = new Ledger(PARTITIONS)
  readonly generations = new Set<string>()
  readonly #over = new AbortController()
  readonly #orders: SeededOrders
  #stream: { stop(): Promise<void> } | null = null
  readonly followers: OrdersFollower[] = []
  answers = 0
  refused = 0

  constructor(platform: OrdersPlatform) {
    this.platform = platform
    this.#orders = new SeededOrders(new Random(platform.random.below(2 ** 32)))
  }

  /** Appends, asks and acts side by side until the acts are done. @throws the first wrong answer */
  async untilActsAreDone(): Promise<void> {
    this.#stream = await this.platform.startStream()
    const stopping = <T>(work: Promise<T>): Promise<T> => work.finally(() => this.#over.abort())
    const readers = Array.from({ length: READERS }, () => this.#read(this.#forked()))
    const followers = await this.#followers()
    const all = [stopping(this.#act(this.#forked())), this.#append(this.#forked()), ...readers, ...followers]
    const failed = (await Promise.allSettled(all.map(stopping))).find((one) => one.status === 'rejected')
    if (failed) throw failed.reason
  }

  /** Asks once more when everything is counted. */
  async drain(): Promise<void> {
    const query: AskedQuery = {
      view: 'by_kind',
      dimensions: ['kind', 'shop'],
      filters: [],
      grain: 'day',
      limit: 10_000,
    }
    let position: readonly number[] | null = null
    const counted = async (): Promise<boolean> => {
      position = await this.#ask(query)
      return position?.every((offset, partition) => offset === this.ledger.ends[partition]) ?? false
    }
    const said = (): string => `${position} of ${this.ledger.ends}`
    await until('everything is counted', counted, { withinMs: DRAIN_MS_MAX, said })
  }

  async #followers(): Promise<Promise<void>[]> {
    if (this.platform.live === null) return []
    const address = await this.platform.listen()
    const { ledger } = this
    for (let place = 0; place < FOLLOWERS; place++) {
      const random = this.#forked()
      const parts = { address, ledger, random, over: this.#over.signal }
      this.followers.push(new OrdersFollower(randomQuery(random, Date.now()), parts))
    }
    return this.followers.map((follower) => follower.follow())
  }

  async #append(random: Random): Promise<void> {
    while (!this.#over.signal.aborted) {
      const lines = Array.from({ length: 1 + random.below(APPEND_ROWS_MAX) }, () => this.#orders.next(Date.now()))
      const rows = lines.map(({ text }) => text)
      const { verdicts } = await this.platform.intake!.offer(rows, { acceptUnusable: true })
      for (const verdict of verdicts) {
        if (verdict.status === 'rejected') throw new Error(`row ${verdict.index}: ${verdict.reason}`)
        this.ledger.record({ ...verdict, order: lines[verdict.index]!.order })
      }
      this.ledger.settle()
      await sleep(random.below(APPEND_PAUSE_MS_MAX))
    }
  }

  async #read(random: Random): Promise<void> {
    while (!this.#over.signal.aborted) {
      await this.#ask(randomQuery(random, Date.now()))
      await sleep(random.below(READ_PAUSE_MS_MAX))
    }
  }

  /** Asks and checks; returns the answer's positions, or null when it was refused. */
  async #ask(query: AskedQuery): Promise<readonly number[] | null> {
    const beganMs = Date.now()
    const reply = await this.platform.app.inject(urlOf(query))
    if (reply.statusCode === 503 && /take a new snapshot|No files found/.test(reply.body)) {
      this.refused++
      return null
    }
    if (reply.statusCode !== 200) {
      const logged = this.platform.events.findLast(({ name }) => name === 'request-failed')?.message ?? ''
      throw new Error(`${urlOf(query)}: ${reply.statusCode} ${reply.body} ${logged}`)
    }
    const answer = parseAnswer(reply.body)
    await checkAnswer({ query, beganMs, endedMs: Date.now() }, answer, this.ledger)
    this.answers++
    if (answer.meta.generation) this.generations.add(answer.meta.generation.id)
    return answer.meta.position
  }

  async #act(random: Random): Promise<void> {
    const { platform } = this
    const deckEndsMs = performance.now() + DECK_MS_MAX
    for (const [index, act] of [...shuffledDeck(random), ...LAST].entries()) {
      if (this.#over.signal.aborted) return
      if (index < DECK_SIZE && performance.now() > deckEndsMs) continue
      if (act === 'rollBack') await platform.rollBack()
      else if (act === 'compact') await platform.compact()
      else if (act === 'replaceStream') await this.#replaceStream()
      else await platform.publish(act)
      await sleep(random.below(ACT_PAUSE_MS_MAX))
    }
    await until('enough has happened', () => this.#enough(), { withinMs: ENOUGH_MS_MAX })
  }

  /** A slow machine leaves so much of the deck out that kept generations may have counted nothing yet: such work goes on here. */
  async #enough(): Promise<boolean> {
    const { platform } = this
    if (this.#over.signal.aborted) return true
    const compacted = platform.count('segments-compacted') > 0 && platform.count('lake-files-removed') > 0
    if (!compacted || this.generations.size < GENERATIONS_MIN) {
      await platform.publish('incremental')
      await platform.compact()
      return false
    }
    return this.answers > ANSWERS_MIN && platform.count('segment-closed') > SEGMENTS_MIN
  }

  /** The new owners begin while the old ones still go on. */
  async #replaceStream(): Promise<void> {
    const old = this.#stream
    this.#stream = await this.platform.startStream()
    await sleep(OVERLAP_MS)
    await old?.stop()
  }

  #forked(): Random {
    return new Random(this.platform.random.below(2 ** 32))
  }
}

function shuffledDeck(random: Random): Act[] {
  const acts = Object.entries(DECK).flatMap(([act, times]) => new Array<Act>(times).fill(act as Act))
  return acts
    .map((act) => ({ act, place: random.next() }))
    .sort((a, b) => a.place - b.place)
    .map(({ act }) => act)
}

async function run(resident: boolean, sabotage?: Sabotage): Promise<Outcome> {
  const platform = await OrdersPlatform.open(seed, resident, sabotage)
  try {
    const one = new Run(platform)
    await one.untilActsAreDone()
    await one.drain()
    const { ledger, answers, refused, generations, followers } = one
    return { platform, ledger, answers, refused, generations, followers, logStarts: await platform.logStarts() }
  } catch (error) {
    throw new Error(`PUBLISHING_SEED=${seed}: ${(error as Error).message}`, { cause: error })
  } finally {
    await platform.close()
  }
}

/** Resident states answer in production, and are asked every day. */
const ALSO = ofToday('of: answers from the stores, faults that must be found', ['stores', 'faults'])

test.each([...(ALSO.includes('stores') ? [['the stores', false] as const] : []), ['resident states', true] as const])(
  'every answer from %s is the recount at its own positions, whatever is published, rolled back, compacted or removed meanwhile',
  async (_from, resident) => {
    const { platform, ledger, answers, refused, generations, followers, logStarts } = await run(resident)
    const happened = {
      segments: platform.count('segment-closed'),
      lost: platform.count('segment-lost'),
      published: platform.count('generation-published'),
      rolledBack: platform.count('generation-rolled-back'),
      compacted: platform.count('segments-compacted'),
      removed: platform.count('lake-files-removed'),
    }
    const ways = platform.live && { ...platform.live.counts, tallied: platform.live.tallied }
    const followed = followers.map(({ counts, returns }) => ({ ...counts, returns }))
    console.log(
      `seed ${seed}: ${ledger.events} events, ${answers} answers, ${refused} refused`,
      happened,
      ways ?? '',
      followed,
    )
    // All of it must have happened, or the answers prove nothing.
    expect(answers).toBeGreaterThan(ANSWERS_MIN)
    expect(refused).toBeLessThan(answers / 20)
    expect(generations.size).toBeGreaterThanOrEqual(GENERATIONS_MIN)
    expect(happened.segments).toBeGreaterThan(SEGMENTS_MIN)
    expect(happened.rolledBack).toBeGreaterThan(0)
    expect(happened.compacted).toBeGreaterThan(0)
    expect(happened.removed).toBeGreaterThan(0)
    expect(Math.min(...logStarts)).toBeGreaterThan(0)
    if (resident) expect(ways?.tallied).toBeGreaterThan(answers / 50)
    for (const { change, returns } of followed) expect([change > 1, returns > 0]).toEqual([true, true])
    expect(platform.events.filter(({ level }) => level === 'error')).toEqual([])
  },
  240_000,
)

/** A store that leaves the segment start out of a partial's identity. */
function withoutSegmentStart(store: SpeedStore): SpeedStore {
  const forgetful = (row: PartialRow): PartialRow => ({ ...row, segmentStart: 0 })
  return {
    flush: (partials, marker) => store.flush(partials.map(forgetful), marker),
    read: async (views, starts) => {
      const { markers } = await store.read([], starts)
      const every = new Map([...starts].map(([partition]) => [partition, 0]))
      return { markers, rows: (await store.read(views, every)).rows }
    },
    markers: () => store.markers(),
    deleteClosed: (partition, before, limit) => store.deleteClosed(partition, before, limit),
    close: () => store.close(),
  }
}

/** A reader that reads the partials of what it takes for open first, and then the manifests. */
function partialsBeforeManifests(served: ServedOrders): ServedOrders {
  const hashes = [...served.dataset.views.values()].map(({ hash }) => hash)
  /** ends of the chains → the partials that were read before them */
  const early = new Map<string, OpenPartials>()
  const startsOf = (chains: readonly SegmentChain[]) => new Map(chains.map(({ partition, end }) => [partition, end]))
  const nameOf = (starts: ReadonlyMap<number, number>): string => JSON.stringify([...starts])
  const lake = Object.create(served.lake) as ServedOrders['lake']
  lake.current = () => served.lake.current()
  lake.resolve = (file) => served.lake.resolve(file)
  lake.check = (files) => served.lake.check(files)
  lake.refusals = () => served.lake.refusals()
  lake.chains = async (partitions) => {
    const open = await served.store.read(hashes, startsOf(await served.lake.chains(partitions)))
    await sleep(5)
    const chains = await served.lake.chains(partitions)
    early.set(nameOf(startsOf(chains)), open)
    return chains
  }
  const read: SpeedStore['read'] = async (_views, starts) => early.get(nameOf(starts))!
  return { ...served, lake, store: { ...served.store, read, markers: async () => new Map() } }
}

test.runIf(ALSO.includes('faults')).each<[string, Sabotage]>([
  ['the segment start is left out of a partial’s identity', { store: withoutSegmentStart }],
  ['the manifests are read after the partials', { served: partialsBeforeManifests }],
])(
  'the same test fails when %s',
  async (_fault, sabotage) => {
    await expect(run(false, sabotage)).rejects.toThrow(/PUBLISHING_SEED=.*wanted/s)
  },
  120_000,
)

/** Faults of the numbers that are kept beside resident states. */
const TALLY_FAULTS: Readonly<Record<string, (tally: ViewTally, feed: TallyFeed) => TallyFeed>> = {
  'a tally is ahead of its head': (tally, feed) => ({
    ...feed,
    added: async (chunks) => {
      await feed.added(chunks)
      tally.commit()
    },
  }),
}

test.runIf(ALSO.includes('faults')).each(Object.entries(TALLY_FAULTS))(
  'the same test fails when %s',
  async (_fault, faulty) => {
    const { tail, closed } = ViewTally.prototype
    const { add } = ResidentTable.prototype
    const spies = [
      // The head follows a moment later, so that a reader meets the fault whoever gets a processor when.
      vi.spyOn(ResidentTable.prototype, 'add').mockImplementation(async function (this: ResidentTable, ...given) {
        const rows = await add.apply(this, given)
        await sleep(20)
        return rows
      }),
      vi.spyOn(ViewTally.prototype, 'tail').mockImplementation(function (this: ViewTally) {
        return faulty(this, tail.call(this))
      }),
      vi.spyOn(ViewTally.prototype, 'closed').mockImplementation(function (this: ViewTally) {
        return faulty(this, closed.call(this))
      }),
    ]
    try {
      await expect(run(true)).rejects.toThrow(/PUBLISHING_SEED=.*wanted/s)
    } finally {
      for (const spy of spies) spy.mockRestore()
    }
  },
  240_000,
)
