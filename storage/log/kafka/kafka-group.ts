/**
 * Shares the partitions of a topic among workers with a Kafka consumer group. The group is used only for membership: its
 * consumer is paused and reads nothing, the lake determines where an owner starts, and committed offsets serve only lag
 * monitoring. A worker that dies loses its partitions after the session timeout.
 *
 * Rebuilds its consumer if it stops permanently, and if it is silent for too long. Until the next assignment the last one
 * remains in force: two owners of a partition are harmless, a partition without an owner is not.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import kafkajs, { type Consumer, type Kafka, type PartitionAssigner } from 'kafkajs'
import { endsWithin } from '#core/ends-within.ts'
import type { Offset } from '#core/offsets.ts'
import type { PartitionAssignment } from '../partition-assignment.ts'
import { spread } from '../sticky-partitions.ts'
import { DEFAULT_OUTAGE_MS_MAX, type KafkaNotice, kafkaClient } from './kafka-client.ts'
import type { KafkaClientSettings } from './kafka-settings.ts'

export interface KafkaGroupOptions extends KafkaClientSettings {
  readonly topic: string
  /** workers with the same group id share the partitions */
  readonly groupId: string
  /** session timeout: a worker that is silent for this long loses its partitions. Default 10,000; the broker's limits are 6 s to 30 min */
  readonly sessionMsMax?: number
  /** how often positions are committed for lag. Default 5,000 */
  readonly commitEveryMs?: number
  /** how often the topic is checked for added partitions. Default 5,000 */
  readonly topicEveryMs?: number
  /** the consumer is rebuilt after this long without a heartbeat. Default: three sessions, at least 30,000 */
  readonly silentMsMax?: number
  readonly notice?: KafkaNotice
}

const { AssignerProtocol } = kafkajs

const SESSION_MS = 10_000
const HEARTBEATS_PER_SESSION = 5
const COMMIT_EVERY_MS = 5_000
const TOPIC_EVERY_MS = 5_000
const SILENT_MS_MIN = 30_000
const GOODBYE_MS_MAX = 5_000
const REBUILD_AFTER_MS = 500

export class KafkaGroup implements PartitionAssignment {
  readonly #options: KafkaGroupOptions
  readonly #kafka: Kafka
  readonly #positions = new Map<number, Offset>()
  readonly #stopping = new AbortController()
  readonly #first = Promise.withResolvers<void>()
  #changed: (partitions: readonly number[]) => void = () => {}
  #own: readonly number[] = []
  #consumer: Consumer | null = null
  #aliveAtMs = 0
  #watch: NodeJS.Timeout | null = null
  #commit: NodeJS.Timeout | null = null
  #building: Promise<void> = Promise.resolve()
  /** a consumer is on its way; its client has patience of its own */
  #atWork = false
  /** of the newest rebuild */
  #turn = 0

  constructor(options: KafkaGroupOptions) {
    this.#options = options
    this.#kafka = kafkaClient(options, options.outageMsMax ?? DEFAULT_OUTAGE_MS_MAX, options.notice)
  }

  async start(changed: (partitions: readonly number[]) => void): Promise<void> {
    this.#changed = changed
    const { outageMsMax = DEFAULT_OUTAGE_MS_MAX, commitEveryMs = COMMIT_EVERY_MS } = this.#options
    this.#rebuild('starting', 0)
    this.#watch = setInterval(() => this.#lookAlive(), this.#silentMsMax / 10)
    this.#commit = setInterval(() => void this.#commitPositions(), commitEveryMs)
    for (const timer of [this.#watch, this.#commit]) timer.unref()
    await endsWithin(this.#first.promise, outageMsMax)
  }

  /** A final position of an owner whose partition was reassigned must not be committed. */
  progressed(partition: number, position: Offset): void {
    if (this.#own.includes(partition)) this.#positions.set(partition, position)
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    for (const timer of [this.#watch, this.#commit]) if (timer !== null) clearInterval(timer)
    await endsWithin(this.#building, GOODBYE_MS_MAX)
    await this.#commitPositions()
    await this.#leave()
  }

  get #silentMsMax(): number {
    const { sessionMsMax = SESSION_MS, silentMsMax } = this.#options
    return silentMsMax ?? Math.max(3 * sessionMsMax, SILENT_MS_MIN)
  }

  /** Replaces the consumer, sequentially. Of several waiting rebuilds only the newest is executed. */
  #rebuild(why: string, afterMs: number): void {
    this.#aliveAtMs = performance.now()
    const { topic, groupId, notice } = this.#options
    const turn = ++this.#turn
    this.#building = this.#building.then(async () => {
      if (turn !== this.#turn || this.#stopping.signal.aborted) return
      this.#atWork = true
      try {
        if (afterMs > 0) {
          notice?.(`Kafka group '${groupId}' of topic '${topic}': ${why}; rejoining`)
          await this.#leave()
          await sleep(afterMs, undefined, { signal: this.#stopping.signal }).catch(() => {})
        }
        if (!this.#stopping.signal.aborted) await this.#join()
      } catch (error) {
        // Not awaited by a holder of the lock: the next attempt follows this one.
        setImmediate(() => this.#rebuild(`joining failed: ${(error as Error).message}`, REBUILD_AFTER_MS))
      } finally {
        this.#atWork = false
        this.#aliveAtMs = performance.now()
      }
    })
  }

  async #join(): Promise<void> {
    const { topic, groupId, sessionMsMax = SESSION_MS, topicEveryMs = TOPIC_EVERY_MS } = this.#options
    const heartbeatMs = Math.floor(sessionMsMax / HEARTBEATS_PER_SESSION)
    const consumer = this.#kafka.consumer({
      groupId,
      sessionTimeout: sessionMsMax,
      rebalanceTimeout: Math.max(sessionMsMax, SESSION_MS),
      heartbeatInterval: heartbeatMs,
      // Between two heartbeats a paused consumer sleeps for this long.
      maxWaitTimeInMs: Math.max(50, Math.floor(heartbeatMs / 2)),
      metadataMaxAge: topicEveryMs,
      allowAutoTopicCreation: false,
      partitionAssigners: [stickyAssigner(topic, () => this.#own)],
      // It must not restart by itself: an abandoned consumer would rejoin as a member that owns partitions nobody reads.
      retry: { restartOnFailure: async () => false },
    })
    this.#consumer = consumer
    this.#listen(consumer)
    await consumer.connect()
    await consumer.subscribe({ topics: [topic], fromBeginning: true })
    await consumer.run({ autoCommit: false, eachBatchAutoResolve: false, eachBatch: async () => {} })
  }

  #listen(consumer: Consumer): void {
    const { topic } = this.#options
    // A consumer that was abandoned while joining may still become a member, with partitions that nobody would read.
    const alive = (): boolean => {
      if (this.#consumer === consumer) this.#aliveAtMs = performance.now()
      else void consumer.disconnect().catch(() => {})
      return this.#consumer === consumer
    }
    consumer.on(consumer.events.HEARTBEAT, () => void alive())
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      if (!alive()) return
      // Paused before its first fetch: it is only a member.
      consumer.pause([{ topic }])
      this.#assign(payload.memberAssignment[topic] ?? [])
    })
    consumer.on(consumer.events.CRASH, ({ payload }) => {
      if (this.#consumer !== consumer) return
      this.#rebuild(`its consumer stopped: ${payload.error.message}`, REBUILD_AFTER_MS)
    })
  }

  #assign(partitions: readonly number[]): void {
    const own = partitions.toSorted((a, b) => a - b)
    for (const partition of this.#positions.keys()) if (!own.includes(partition)) this.#positions.delete(partition)
    this.#own = own
    if (!this.#stopping.signal.aborted) this.#changed(own)
    this.#first.resolve()
  }

  #lookAlive(): void {
    if (this.#atWork) return
    const silentMs = performance.now() - this.#aliveAtMs
    if (silentMs > this.#silentMsMax) this.#rebuild(`no heartbeat for ${Math.round(silentMs)} ms`, REBUILD_AFTER_MS)
  }

  async #commitPositions(): Promise<void> {
    const { topic } = this.#options
    const offsets = [...this.#positions].map(([partition, offset]) => ({ topic, partition, offset: String(offset) }))
    if (offsets.length === 0) return
    // A failed commit only makes the lag look larger until the next one.
    await endsWithin(Promise.resolve(this.#consumer?.commitOffsets(offsets)), GOODBYE_MS_MAX).catch(() => {})
  }

  /** Leaves the group, with a time limit, so that the others need not wait for the session timeout. */
  async #leave(): Promise<void> {
    const consumer = this.#consumer
    this.#consumer = null
    if (consumer !== null) await endsWithin(consumer.disconnect(), GOODBYE_MS_MAX).catch(() => {})
  }
}

/** Members report their partitions; the leader moves as few as possible. */
function stickyAssigner(topic: string, owned: () => readonly number[]): PartitionAssigner {
  return ({ cluster }) => ({
    name: 'watershed-sticky',
    version: 1,
    protocol: ({ topics }) => ({
      name: 'watershed-sticky',
      metadata: AssignerProtocol.MemberMetadata.encode({
        version: 1,
        topics,
        userData: Buffer.from(JSON.stringify(owned())),
      }),
    }),
    assign: async ({ members }) => {
      const partitions = cluster.findTopicPartitionMetadata(topic).map(({ partitionId }) => partitionId)
      const group = members.map(({ memberId, memberMetadata }) => ({ id: memberId, owned: ownedOf(memberMetadata) }))
      return [...spread(partitions, group)].map(([memberId, share]) => ({
        memberId,
        memberAssignment: AssignerProtocol.MemberAssignment.encode({
          version: 1,
          assignment: { [topic]: share },
          userData: Buffer.alloc(0),
        }),
      }))
    },
  })
}

function ownedOf(metadata: Buffer): number[] {
  const told = AssignerProtocol.MemberMetadata.decode(metadata)?.userData
  try {
    const owned: unknown = JSON.parse(String(told ?? '[]'))
    return Array.isArray(owned) ? owned.filter((one) => Number.isInteger(one)) : []
  } catch {
    return []
  }
}
