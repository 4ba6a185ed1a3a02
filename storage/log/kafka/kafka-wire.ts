/**
 * One connection to a cluster for one topic: reads metadata and records, and waits for unavailable brokers. The client library provides
 * connections, TLS, SASL and request queues; `ClusterOfLibrary` is the only place that uses what it does not export.
 *
 * Every operation is retried while its fault may be transient, for up to `outageMsMax`. The topic is identified by its id: if
 * its name refers to another topic, everything fails with KafkaTopicError 'replaced'.
 */
import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Kafka } from 'kafkajs'
import { Backoff } from '#core/backoff.ts'
import { endsWithin } from '#core/ends-within.ts'
import {
  type Fetched,
  fetchRequest,
  KAFKA_ERRORS,
  metadataRequest,
  type RawRequest,
  type TopicMetadata,
} from './kafka-requests.ts'
import { KafkaTopicError, KafkaUnavailableError } from './kafka-settings.ts'
import {
  type OpenTransaction,
  openTransactionsRequest,
  ownerRequest,
  type TransactionOwner,
} from './kafka-transaction-requests.ts'

interface PoolOfLibrary {
  getConnectionByRequest(request: Pick<RawRequest<unknown>, 'request'>): Promise<unknown>
  send<Answer>(request: RawRequest<Answer>): Promise<Answer>
}

interface TransactionOfLibrary {
  readonly transactionalId: string
  readonly producerId: string
  readonly producerEpoch: number
}

export interface BrokerOfLibrary {
  readonly connectionPool: PoolOfLibrary
  addPartitionsToTxn(
    transaction: TransactionOfLibrary & { topics: readonly { topic: string; partitions: readonly number[] }[] },
  ): Promise<unknown>
  endTxn(transaction: TransactionOfLibrary & { transactionResult: boolean }): Promise<unknown>
}

/** What kafkajs 2.2.4 makes inside of each of its clients; the exact version is pinned for this. */
interface ClusterOfLibrary {
  connect(): Promise<void>
  disconnect(): Promise<void>
  refreshMetadata(): Promise<void>
  addTargetTopic(topic: string): Promise<void>
  findBroker(options: { nodeId: number }): Promise<BrokerOfLibrary>
  findControllerBroker(): Promise<BrokerOfLibrary>
  findGroupCoordinator(options: { groupId: string; coordinatorType: number }): Promise<BrokerOfLibrary>
  removeBroker(place: { host: string; port: number }): void
  fetchTopicsOffset(
    topics: readonly {
      topic: string
      fromBeginning: boolean
      partitions: readonly { partition: number }[]
    }[],
  ): Promise<{ partitions: { partition: number; offset: string }[] }[]>
}

type MakeCluster = (options: {
  metadataMaxAge: number
  allowAutoTopicCreation: boolean
  isolationLevel: number
}) => ClusterOfLibrary

const READ_COMMITTED = 1
/** kind of coordinator */
const TRANSACTIONS = 1
const METADATA_MS_MAX = 60_000
/** how long closing waits for the library to disconnect */
const GOODBYE_MS_MAX = 2_000
const NO_LEADER = 5
const RETRY_WAITS = { waitMsFirst: 50, waitMsMax: 1_000 }

/** An error code in a response; most are transient until leaders are elected. */
export class KafkaAnswerError extends Error {
  readonly code: number
  constructor(what: string, code: number) {
    super(`${what}: Kafka answered with error code ${code}`)
    this.name = 'KafkaAnswerError'
    this.code = code
  }
}

export interface TopicEnds {
  readonly start: number
  readonly end: number
}

export class KafkaWire {
  readonly #cluster: ClusterOfLibrary
  readonly #topic: string
  readonly #outageMsMax: number
  readonly #closing = new AbortController()
  #known: TopicMetadata | null = null
  #connected: Promise<void> | null = null
  /** connections being opened, by kind of request */
  readonly #opening = new Map<string, Map<PoolOfLibrary, Promise<unknown>>>()
  /** the topic is not there at the moment */
  #gone = false
  #asking: Promise<readonly (TopicEnds | null)[]> | null = null
  #askingNext: Promise<readonly (TopicEnds | null)[]> | null = null
  #askingLast: Promise<readonly number[]> | null = null

  constructor(kafka: Kafka, options: { readonly topic: string; readonly outageMsMax: number }) {
    this.#cluster = clusterOf(kafka)
    this.#topic = options.topic
    this.#outageMsMax = options.outageMsMax
    // One for each request that is under way.
    setMaxListeners(0, this.#closing.signal)
  }

  /** Of the topic as it was looked at last. @throws when it was not yet */
  get known(): TopicMetadata {
    if (this.#known === null) throw new KafkaTopicError(this.#topic, 'missing', 'its metadata has not been read yet')
    return this.#known
  }

  /** Reads the topic's metadata; null if it does not exist. Does not wait for it. @throws KafkaUnavailableError, KafkaTopicError */
  async find(): Promise<TopicMetadata | null> {
    const found = await this.persist('reading the topic metadata', () => this.#askMetadata())
    if (found.errorCode === KAFKA_ERRORS.unknownTopic) return null
    return this.#learn(found)
  }

  /** Reads the metadata again, and waits while the topic is being created or has no leaders. @throws KafkaTopicError 'replaced' */
  async refresh(): Promise<TopicMetadata> {
    return this.persist('reading the topic metadata', async () => this.#learn(await this.#askMetadata()))
  }

  /** First and last offset of a partition, requested after the call. */
  endsOf(partition: number): Promise<TopicEnds> {
    return this.persist(`reading the offsets of partition ${partition}`, async () => {
      const ends = (await this.#ends())[partition]
      if (!ends) throw new KafkaAnswerError(`partition ${partition} has no leader`, NO_LEADER)
      return ends
    })
  }

  /**
   * Last offset of each partition: one request to each leader, and no retry. Concurrent callers share it.
   * @throws KafkaAnswerError if a partition has no leader
   */
  lastOffsets(): Promise<readonly number[]> {
    this.#askingLast ??= this.#askLast().finally(() => {
      this.#askingLast = null
    })
    return this.#askingLast
  }

  async #askLast(): Promise<readonly number[]> {
    const ends = await this.#untilClosed(this.#connect().then(() => this.#offsets(false)))
    return this.known.partitions.map(({ partition }) => {
      const end = ends.get(partition)
      if (end === undefined || end < 0) throw new KafkaAnswerError(`partition ${partition} has no leader`, NO_LEADER)
      return end
    })
  }

  /** Offsets of all partitions; null for those without a leader. One request is in flight; concurrent callers share the next one. */
  #ends(): Promise<readonly (TopicEnds | null)[]> {
    if (this.#asking === null) return this.#ask()
    this.#askingNext ??= this.#asking.then(nothing, nothing).then(() => {
      this.#askingNext = null
      return this.#ask()
    })
    return this.#askingNext
  }

  #ask(): Promise<readonly (TopicEnds | null)[]> {
    const asked = this.#askEnds()
    const done = (): void => {
      if (this.#asking === asked) this.#asking = null
    }
    this.#asking = asked
    asked.then(done, done)
    return asked
  }

  /** @param undecided also records that are not committed */
  async fetch(
    partition: number,
    from: number,
    bytesMax: number,
    lastEpoch: number,
    undecided = false,
  ): Promise<Fetched> {
    return this.persist(`reading partition ${partition} from offset ${from}`, async () => {
      const broker = await this.#leader(partition)
      const place = { topicId: this.known.topicId, partition, from, lastEpoch, bytesMax, undecided }
      const fetched = await this.#send(broker, fetchRequest(place))
      if (fetched.errorCode === KAFKA_ERRORS.none || fetched.errorCode === KAFKA_ERRORS.offsetOutOfRange) return fetched
      throw new KafkaAnswerError('fetch', fetched.errorCode)
    })
  }

  /** Transactions that are open in the partitions, as their leaders know. One request to each leader. */
  async openTransactions(partitions: readonly number[]): Promise<readonly OpenTransaction[]> {
    return this.persist('reading open transactions', async () => {
      const byLeader = Map.groupBy(partitions, (partition) => this.known.partitions[partition]?.leader ?? -1)
      const answers = [...byLeader.values()].map(async (own) => {
        const broker = await this.#leader(own[0]!)
        const { errorCode, open } = await this.#send(broker, openTransactionsRequest(this.#topic, own))
        if (errorCode !== KAFKA_ERRORS.none) throw new KafkaAnswerError('open transactions', errorCode)
        return open
      })
      return (await Promise.all(answers)).flat()
    })
  }

  /** The producer that owns a transactional id, and the broker that decides its transactions. */
  async transactionOwner(id: string): Promise<TransactionOwner & { readonly coordinator: BrokerOfLibrary }> {
    return this.persist(`reading the owner of the transactional id ${id}`, async () => {
      await this.#connect()
      const coordinator = await this.#cluster.findGroupCoordinator({ groupId: id, coordinatorType: TRANSACTIONS })
      const owner = await this.#send(coordinator, ownerRequest(id))
      if (owner.errorCode !== KAFKA_ERRORS.none) throw new KafkaAnswerError('owner of a transaction', owner.errorCode)
      return { ...owner, coordinator }
    })
  }

  /** Fails waiting calls. The library alone would wait for the response to every request in flight. */
  async close(): Promise<void> {
    this.#closing.abort()
    await endsWithin(this.#cluster.disconnect(), GOODBYE_MS_MAX)
  }

  async #askMetadata(): Promise<TopicMetadata> {
    await this.#connect()
    const broker = await this.#cluster.findControllerBroker()
    return this.#send(broker, metadataRequest(this.#topic))
  }

  /** The library opens a socket for every request that arrives before the first one is open, and loses track of all but one of them. */
  async #send<Answer>({ connectionPool }: BrokerOfLibrary, request: RawRequest<Answer>): Promise<Answer> {
    const { apiName } = request.request
    const pools = this.#opening.get(apiName) ?? new Map<PoolOfLibrary, Promise<unknown>>()
    this.#opening.set(apiName, pools)
    const opening =
      pools.get(connectionPool) ??
      connectionPool.getConnectionByRequest(request).finally(() => pools.delete(connectionPool))
    pools.set(connectionPool, opening)
    await opening
    return connectionPool.send(request)
  }

  #learn(found: TopicMetadata): TopicMetadata {
    if (found.errorCode === KAFKA_ERRORS.topicAuthorization)
      throw new KafkaTopicError(
        this.#topic,
        'refused',
        'the broker denies access to the topic; grant DESCRIBE, READ and WRITE',
      )
    if (found.errorCode !== KAFKA_ERRORS.none) throw new KafkaAnswerError('metadata', found.errorCode)
    const before = this.#known
    if (before !== null && (before.topicId !== found.topicId || before.clusterId !== found.clusterId)) {
      throw new KafkaTopicError(
        this.#topic,
        'replaced',
        `it was deleted and created again (its id was ${before.topicId} and is now ${found.topicId}), so its offsets refer to other records. Start again to check it against the lake`,
      )
    }
    this.#known = found
    return found
  }

  async #leader(partition: number): Promise<BrokerOfLibrary> {
    const leader = this.known.partitions[partition]?.leader ?? -1
    if (leader < 0) throw new KafkaAnswerError(`partition ${partition} has no leader`, NO_LEADER)
    return this.#cluster.findBroker({ nodeId: leader })
  }

  async #askEnds(): Promise<readonly (TopicEnds | null)[]> {
    await this.#connect()
    const [ends, starts] = [await this.#offsets(false), await this.#offsets(true)]
    return this.known.partitions.map(({ partition }): TopicEnds | null => {
      const [start, end] = [starts.get(partition) ?? -1, ends.get(partition) ?? -1]
      // Retention may have moved the start between the two requests.
      return start < 0 || end < 0 ? null : { start, end: Math.max(start, end) }
    })
  }

  /** Of the partitions with a leader: the first ones, or those behind the last committed record. */
  async #offsets(fromBeginning: boolean): Promise<ReadonlyMap<number, number>> {
    const led = this.known.partitions.filter(({ leader }) => leader >= 0)
    const partitions = led.map(({ partition }) => ({ partition }))
    const [answer] = await this.#cluster.fetchTopicsOffset([{ topic: this.#topic, fromBeginning, partitions }])
    return new Map(answer?.partitions.map(({ partition, offset }) => [partition, Number(offset)]))
  }

  async #connect(): Promise<void> {
    this.#connected ??= this.#cluster
      .connect()
      .then(() => this.#cluster.addTargetTopic(this.#topic).catch(ignoreMissing))
    try {
      await this.#connected
    } catch (error) {
      this.#connected = null
      throw error
    }
  }

  /** Retries transient faults. @throws KafkaUnavailableError after the time limit, KafkaTopicError immediately */
  async persist<Result>(doing: string, work: () => Promise<Result>): Promise<Result> {
    const tries = new Backoff({ ...RETRY_WAITS, retryMsMax: this.#outageMsMax })
    for (;;) {
      if (this.#closing.signal.aborted) throw this.#closed()
      try {
        return await this.#untilClosed(work())
      } catch (error) {
        if (error instanceof KafkaTopicError || isFinal(error)) throw error
        const waitMs = tries.nextMs()
        if (waitMs === null) throw this.#unavailable(doing, tries.passedMs, error)
        await sleep(waitMs, undefined, { signal: this.#closing.signal }).catch(() => {})
        await this.#untilClosed(this.#recover(error))
      }
    }
  }

  #closed(): KafkaTopicError {
    return new KafkaTopicError(this.#topic, 'closed', 'it is closed')
  }

  /** The result of `work`. @throws KafkaTopicError 'closed' as soon as it is closed, whatever the outcome of the work */
  async #untilClosed<Result>(work: Promise<Result>): Promise<Result> {
    const { signal } = this.#closing
    const closed = Promise.withResolvers<never>()
    const close = (): void => closed.reject(this.#closed())
    signal.addEventListener('abort', close)
    try {
      return await Promise.race([work, closed.promise])
    } finally {
      signal.removeEventListener('abort', close)
    }
  }

  #unavailable(doing: string, waitedMs: number, error: unknown): Error {
    if (!this.#gone) return new KafkaUnavailableError(this.#topic, doing, waitedMs, error)
    return new KafkaTopicError(this.#topic, 'missing', `${doing} failed: the topic no longer exists`, {
      cause: error,
    })
  }

  /** Refreshes metadata and connections. Its own faults are reported by the next attempt. */
  async #recover(error: unknown): Promise<void> {
    const { host, port } = error as { host?: string; port?: number }
    if (host !== undefined && port !== undefined) this.#cluster.removeBroker({ host, port })
    try {
      this.#connected = null
      await this.#connect()
      await this.#cluster.refreshMetadata().catch(ignoreMissing)
      const found = await this.#askMetadata()
      this.#gone = found.errorCode === KAFKA_ERRORS.unknownTopic
      if (found.errorCode === KAFKA_ERRORS.none) this.#learn(found)
    } catch (fault) {
      if (fault instanceof KafkaTopicError) throw fault
    }
  }
}

/** Permanent faults: programming errors, or wrong credentials. */
function isFinal(error: unknown): boolean {
  if (!(error instanceof Error)) return true
  if (error.name === 'KafkaJSSASLAuthenticationError') return true
  return ['RangeError', 'ReferenceError', 'SyntaxError', 'TypeError'].includes(error.name)
}

function nothing(): void {}

function ignoreMissing(error: { readonly type?: string }): void {
  if (error.type !== 'UNKNOWN_TOPIC_OR_PARTITION' && error.type !== 'LEADER_NOT_AVAILABLE') throw error
}

function clusterOf(kafka: Kafka): ClusterOfLibrary {
  const symbol = Object.getOwnPropertySymbols(kafka).find(
    ({ description }) => description === 'private:Kafka:createCluster',
  )
  if (symbol === undefined) throw new Error('this version of kafkajs is not supported; the Kafka log requires 2.2.4')
  const make = (kafka as unknown as Record<symbol, MakeCluster>)[symbol]!
  return make({ metadataMaxAge: METADATA_MS_MAX, allowAutoTopicCreation: false, isolationLevel: READ_COMMITTED })
}
