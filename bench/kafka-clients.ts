/**
 * Appending and reading through the log's port on Kafka, beside the bare clients doing the same: kafkajs (the one under the
 * port) and @platformatic/kafka. In turns, so that the machine's noise hits all of them; ratios are medians of rounds.
 * Everybody produces idempotently with acks from all, one batch per partition under way, four partitions at once.
 */
import { MessagesStreamModes, Consumer as OtherConsumer, Producer as OtherProducer } from '@platformatic/kafka'
import kafkajs from 'kafkajs'
import { kafkaClient } from '#storage/log/kafka/kafka-client.ts'
import { registerCodecs } from '#storage/log/kafka/kafka-codecs.ts'
import { KafkaLog } from '#storage/log/kafka/kafka-log.ts'
import { KAFKA_COMPRESSIONS, type KafkaCompression } from '#storage/log/kafka/kafka-settings.ts'
import { BATCH, figuresOf, KafkaSite, PARTITIONS, type Pace, paceOf, rsvpBatches } from './kafka-site.ts'

const EVENTS = Number(process.env.BENCH_KAFKA_EVENTS ?? 60_000)
const ROUNDS = Number(process.env.BENCH_KAFKA_ROUNDS ?? 5)
const TYPES = { none: 0, gzip: 1, zstd: 4 } as const

/** As bytes, which is how events come in: as lines for the port, one by one for the clients, so that none of them has to make them. */
interface Batch {
  readonly lines: Buffer
  readonly values: readonly Buffer[]
}

type Batches = readonly Batch[]
type Paces = Record<'port' | 'kafkajs' | 'platformatic', Pace[]>

function keep(paces: Paces, round: Readonly<Record<keyof Paces, Pace>>): void {
  for (const name of ['port', 'kafkajs', 'platformatic'] as const) paces[name].push(round[name])
}

/** @returns per task and client events per second, µs of CPU per event, and both against bare kafkajs */
export async function kafkaClients(): Promise<Record<string, number>> {
  registerCodecs()
  const site = await KafkaSite.start()
  try {
    const batches = rsvpBatches(EVENTS).map((events) => ({
      lines: Buffer.from(`${events.join('\n')}\n`),
      values: events.map((event) => Buffer.from(event)),
    }))
    const figures: Record<string, number> = { events: EVENTS, rounds: ROUNDS }
    for (const compression of KAFKA_COMPRESSIONS) Object.assign(figures, await produce(site, batches, compression))
    return { ...figures, ...(await consume(site, batches)) }
  } finally {
    await site.kafka.stop()
  }
}

async function produce(
  site: KafkaSite,
  batches: Batches,
  compression: KafkaCompression,
): Promise<Record<string, number>> {
  const paces: Paces = { port: [], kafkajs: [], platformatic: [] }
  for (let round = 0; round <= ROUNDS; round++) {
    const port = await paceOfSending(batches, await appendWithPort(site, compression))
    const kafkajs = await paceOfSending(batches, await sendWithKafkajs(site, compression))
    const platformatic = await paceOfSending(batches, await sendWithPlatformatic(site, compression))
    if (round > 0) keep(paces, { port, kafkajs, platformatic })
  }
  return figuresOf(`produce:${compression}`, paces, 'kafkajs')
}

/** A client that is ready to send. */
interface Sending {
  send(partition: number, batch: Batch): Promise<unknown>
  close(): Promise<unknown>
}

/** Connecting and leaving are no part of the pace: one batch goes to each partition before. */
async function paceOfSending(batches: Batches, { send, close }: Sending): Promise<Pace> {
  await inLanes(batches.slice(0, PARTITIONS), send)
  const pace = await paceOf(EVENTS, () => inLanes(batches, send))
  await close()
  return pace
}

/** Each of them: every partition has its share of the batches, one after the other. */
async function inLanes(batches: Batches, send: (partition: number, batch: Batch) => Promise<unknown>): Promise<void> {
  const lane = async (partition: number): Promise<void> => {
    for (let at = partition; at < batches.length; at += PARTITIONS) await send(partition, batches[at]!)
  }
  await Promise.all(Array.from({ length: PARTITIONS }, (_, partition) => lane(partition)))
}

async function appendWithPort(site: KafkaSite, compression: KafkaCompression): Promise<Sending> {
  const log = await KafkaLog.open({ brokers: site.brokers, dataset: 'd', topic: await site.topic(), compression })
  return {
    send: (partition, { lines, values }) => log.append([{ partition, lines, count: values.length }]),
    close: () => log.close(),
  }
}

async function sendWithKafkajs(site: KafkaSite, compression: KafkaCompression): Promise<Sending> {
  const topic = await site.topic()
  const client = kafkaClient({ brokers: site.brokers }, 30_000)
  const producer = client.producer({
    idempotent: true,
    createPartitioner:
      () =>
      ({ message }) =>
        message.partition!,
  })
  await producer.connect()
  return {
    send: (partition, { values }) => {
      const messages = values.map((value) => ({ partition, value }))
      return producer.send({ topic, acks: -1, compression: TYPES[compression], messages })
    },
    close: () => producer.disconnect(),
  }
}

async function sendWithPlatformatic(site: KafkaSite, compression: KafkaCompression): Promise<Sending> {
  const topic = await site.topic()
  const producer = new OtherProducer({ clientId: 'bench', bootstrapBrokers: [...site.brokers], idempotent: true })
  return {
    send: (partition, { values }) => {
      const messages = values.map((value) => ({ topic, partition, value }))
      return producer.send({ messages, acks: -1, compression })
    },
    close: () => producer.close(),
  }
}

async function consume(site: KafkaSite, batches: Batches): Promise<Record<string, number>> {
  const topic = await site.topic()
  const log = await KafkaLog.open({ brokers: site.brokers, dataset: 'd', topic, compression: 'gzip' })
  await inLanes(batches, (partition, { lines, values }) => log.append([{ partition, lines, count: values.length }]))
  await log.close()
  const paces: Paces = { port: [], kafkajs: [], platformatic: [] }
  for (let round = 0; round <= ROUNDS; round++) {
    const port = await readWithPort(site, topic)
    const kafkajs = await readWithKafkajs(site, topic, `kafkajs-${round}`)
    const platformatic = await readWithPlatformatic(site, topic, `platformatic-${round}`)
    if (round > 0) keep(paces, { port, kafkajs, platformatic })
  }
  return figuresOf('read', paces, 'kafkajs')
}

async function readWithPort(site: KafkaSite, topic: string): Promise<Pace> {
  const log = await KafkaLog.open({ brokers: site.brokers, dataset: 'd', topic })
  const pace = await paceOf(EVENTS, async () => {
    const lane = async (partition: number): Promise<void> => {
      const { end } = await log.range(partition)
      for (let from = 0; from < end; ) {
        from = (await log.read(partition, from, { bytesMax: 48 * 1024 * 1024, recordsMax: 25_000 }))!.end
      }
    }
    await Promise.all(Array.from({ length: PARTITIONS }, (_, partition) => lane(partition)))
  })
  await log.close()
  return pace
}

/** Counts records from the moment when the group was joined, since joining is no part of reading. */
class Arrivals {
  readonly #done = Promise.withResolvers<void>()
  #beganAt = 0
  #cpu = process.cpuUsage()
  #seen = 0

  begin(): void {
    this.#beganAt = performance.now()
    this.#cpu = process.cpuUsage()
  }

  add(records: number): void {
    this.#seen += records
    if (this.#seen >= EVENTS) this.#done.resolve()
  }

  async pace(): Promise<Pace> {
    await this.#done.promise
    const used = process.cpuUsage(this.#cpu)
    const rate = this.#seen / ((performance.now() - this.#beganAt) / 1_000)
    return { rate, cpuUs: (used.user + used.system) / this.#seen }
  }
}

async function readWithKafkajs(site: KafkaSite, topic: string, groupId: string): Promise<Pace> {
  const arrivals = new Arrivals()
  const consumer = kafkaClient({ brokers: site.brokers }, 30_000).consumer({
    groupId,
    maxWaitTimeInMs: 200,
    maxBytesPerPartition: 4 * 1024 * 1024,
  })
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  consumer.on(consumer.events.GROUP_JOIN, () => arrivals.begin())
  await consumer.run({
    autoCommit: false,
    partitionsConsumedConcurrently: PARTITIONS,
    eachBatch: async ({ batch }) => arrivals.add(batch.messages.length),
  })
  const pace = await arrivals.pace()
  await consumer.disconnect()
  return pace
}

async function readWithPlatformatic(site: KafkaSite, topic: string, groupId: string): Promise<Pace> {
  const arrivals = new Arrivals()
  const consumer = new OtherConsumer({
    groupId,
    clientId: 'bench',
    bootstrapBrokers: [...site.brokers],
    maxWaitTime: 200,
    maxBytes: 16 * 1024 * 1024,
    autocommit: false,
  })
  const stream = await consumer.consume({
    topics: [topic],
    mode: MessagesStreamModes.EARLIEST,
    highWaterMark: BATCH * 4,
  })
  arrivals.begin()
  stream.on('data', () => arrivals.add(1))
  const pace = await arrivals.pace()
  await consumer.close(true)
  return pace
}

const { CompressionTypes } = kafkajs
if (CompressionTypes.ZSTD !== TYPES.zstd || CompressionTypes.GZIP !== TYPES.gzip)
  throw new Error('kafkajs numbers its compressions in another way')
