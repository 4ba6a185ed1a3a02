/** A real Kafka broker (KRaft, one node) on loopback for tests: a temporary folder, free ports, stopped by process id. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { javaPath, KAFKA_VERSION, kafkaMissing, provisionKafka } from './kafka-provision.ts'

export { KAFKA_VERSION, kafkaMissing, provisionKafka }

const START_MS_MAX = 60_000
const STOP_MS_MAX = 20_000
/** any 16 bytes in base64url */
const CLUSTER_ID = 'd2F0ZXJzaGVkLXRlc3RzMQ'

export interface KafkaServer {
  /** host:port, to hand to a client */
  readonly brokers: readonly string[]
  /** of the process that runs now */
  readonly pid: number
  /** SIGTERM and wait; removes the folder */
  stop(): Promise<void>
  /** SIGKILL and wait; the folder stays */
  kill9(): Promise<void>
  /** starts again on the same folder and ports; resolves when it answers */
  restart(): Promise<void>
}

export interface KafkaServerOptions {
  /** more lines of server.properties */
  readonly properties?: Readonly<Record<string, string>>
}

/**
 * Why tests against a real Kafka are skipped on this machine; null when they run. With CI or WATERSHED_REQUIRE_SERVERS=1
 * they always run, and fail where there is no Java.
 */
export async function kafkaSkipReason(): Promise<string | null> {
  if (process.env.CI || process.env.WATERSHED_REQUIRE_SERVERS === '1') return null
  const missing = await kafkaMissing()
  if (missing !== null) console.log(`skipped: the tests against a real Kafka need Java: ${missing}`)
  return missing
}

/** @throws when there is no Java, the jars can not be fetched, or the broker does not come up */
export async function startKafka(options: KafkaServerOptions = {}): Promise<KafkaServer> {
  const [java, jars] = [await javaPath(), await provisionKafka()]
  const folder = await mkdtemp(join(tmpdir(), 'watershed-kafka-'))
  const [port, controllerPort] = await freePorts(2)
  const properties = join(folder, 'server.properties')
  await writeFile(properties, propertiesText(folder, port!, controllerPort!, options))
  const broker = new Broker(java, jars, folder, port!)
  await promisify(execFile)(java, [
    ...['-cp', `${jars}/*`, 'kafka.tools.StorageTool'],
    ...['format', '--cluster-id', CLUSTER_ID, '--config', properties],
  ])
  await broker.start()
  return broker
}

class Broker implements KafkaServer {
  readonly brokers: readonly string[]
  readonly #java: string
  readonly #jars: string
  readonly #folder: string
  readonly #port: number
  #process: ChildProcess | null = null

  constructor(java: string, jars: string, folder: string, port: number) {
    this.#java = java
    this.#jars = jars
    this.#folder = folder
    this.#port = port
    this.brokers = [`127.0.0.1:${port}`]
    process.once('exit', () => this.#process?.kill('SIGKILL'))
  }

  get pid(): number {
    if (this.#process?.pid === undefined) throw new Error('this Kafka is not running')
    return this.#process.pid
  }

  async start(): Promise<void> {
    const output = openSync(join(this.#folder, 'kafka.out'), 'a')
    const child = spawn(
      this.#java,
      [
        ...['-Xmx512m', '-Xms128m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC'],
        '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
        ...['-cp', `${this.#jars}/*`, 'kafka.Kafka', join(this.#folder, 'server.properties')],
      ],
      { stdio: ['ignore', output, output] },
    )
    closeSync(output)
    this.#process = child
    await this.#answers(child)
  }

  async stop(): Promise<void> {
    await this.#end('SIGTERM')
    await rm(this.#folder, { recursive: true, force: true })
  }

  async kill9(): Promise<void> {
    await this.#end('SIGKILL')
  }

  async restart(): Promise<void> {
    if (this.#process !== null) await this.#end('SIGTERM')
    await this.start()
  }

  async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#process
    this.#process = null
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill(signal)
    const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX)
    await gone
    clearTimeout(late)
  }

  async #answers(child: ChildProcess): Promise<void> {
    const deadline = Date.now() + START_MS_MAX
    while (!(await accepts(this.#port))) {
      if (child.exitCode !== null || Date.now() > deadline) {
        child.kill('SIGKILL')
        const said = await readFile(join(this.#folder, 'kafka.out'), 'utf8').catch(() => '')
        throw new Error(`Kafka ${KAFKA_VERSION} did not come up on port ${this.#port}:\n${said.slice(-4_000)}`)
      }
      await sleep(50)
    }
  }
}

function propertiesText(folder: string, port: number, controllerPort: number, options: KafkaServerOptions): string {
  const properties: Record<string, string> = {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
    'controller.listener.names': 'CONTROLLER',
    'log.dirs': join(folder, 'data'),
    'auto.create.topics.enable': 'false',
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '2',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '2',
    'share.coordinator.state.topic.replication.factor': '1',
    'share.coordinator.state.topic.min.isr': '1',
    'group.initial.rebalance.delay.ms': '0',
    'group.min.session.timeout.ms': '500',
    'broker.session.timeout.ms': '2000',
    'broker.heartbeat.interval.ms': '500',
    'log.initial.task.delay.ms': '500',
    'log.retention.check.interval.ms': '500',
    'log.segment.delete.delay.ms': '100',
    ...options.properties,
  }
  return Object.entries(properties)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('')
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1')
      await once(server, 'listening')
      return server
    }),
  )
  const ports = servers.map((server) => (server.address() as { port: number }).port)
  for (const server of servers) server.close()
  return ports
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true))
    socket.once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}
