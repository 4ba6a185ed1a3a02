/** A real Kafka broker (KRaft, one node) on loopback for tests: a temporary folder, free ports, stopped by process id. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, openSync } from 'node:fs'
import { cp, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { until } from '../until.ts'
import { freePorts } from './free-ports.ts'
import { javaPath, KAFKA_VERSION, kafkaMissing, provisionKafka } from './kafka-provision.ts'

export { KAFKA_VERSION, kafkaMissing, provisionKafka }

const START_MS_MAX = 60_000
const STOP_MS_MAX = 20_000
/** of its own folder */
const DATA = 'data'
/** any 16 bytes in base64url */
const CLUSTER_ID = 'd2F0ZXJzaGVkLXRlc3RzMQ'

export interface KafkaServer {
  /** host:port, to hand to a client */
  readonly brokers: readonly string[]
  /** the same with TLS and SASL (plain, scram-sha-256, scram-sha-512), and the certificate to trust (PEM); null without a user */
  readonly secure: { readonly brokers: readonly string[]; readonly ca: string } | null
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
  /** also listens with TLS and SASL, under a certificate of its own */
  readonly user?: KafkaUser
}

export interface KafkaUser {
  readonly username: string
  readonly password: string
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

/** @throws if Java is missing, the jars cannot be downloaded, or the broker does not start */
export async function startKafka(options: KafkaServerOptions = {}): Promise<KafkaServer> {
  const [java, jars] = [await javaPath(), await provisionKafka()]
  const folder = await mkdtemp(join(tmpdir(), 'watershed-kafka-'))
  const [port, controllerPort, securePort] = (await freePorts(3)) as [number, number, number]
  const properties = join(folder, 'server.properties')
  await writeFile(properties, propertiesText(folder, port, controllerPort, securePort, options))
  const ca = options.user && (await makeCertificate(java, folder))
  const secure = ca === undefined ? null : { brokers: [`127.0.0.1:${securePort}`], ca }
  const broker = new Broker(java, jars, folder, port, secure)
  await format(java, jars, folder, options.user)
  await broker.start()
  return broker
}

/** Formatted folders differ only by their users: without one, a copy of the first saves a Java machine. */
async function format(java: string, jars: string, folder: string, user: KafkaUser | undefined): Promise<void> {
  const [kept, data] = [`${jars}-formatted`, join(folder, DATA)]
  if (user === undefined && existsSync(kept)) return cp(kept, data, { recursive: true })
  await promisify(execFile)(java, [
    ...['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-cp', `${jars}/*`, 'kafka.tools.StorageTool'],
    ...['format', '--cluster-id', CLUSTER_ID, '--config', join(folder, 'server.properties')],
    ...scramUsers(user),
  ])
  if (user === undefined) await keep(data, kept)
}

/** As a whole, or not at all: other test files do the same. */
async function keep(data: string, kept: string): Promise<void> {
  const staging = `${kept}.${process.pid}.inprogress`
  await cp(data, staging, { recursive: true })
  await rename(staging, kept).catch(() => rm(staging, { recursive: true }))
}

class Broker implements KafkaServer {
  readonly brokers: readonly string[]
  readonly secure: KafkaServer['secure']
  readonly #java: string
  readonly #jars: string
  readonly #folder: string
  readonly #port: number
  #process: ChildProcess | null = null

  constructor(java: string, jars: string, folder: string, port: number, secure: KafkaServer['secure']) {
    this.secure = secure
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
    const futile = (): boolean => child.exitCode !== null
    const patience = { withinMs: START_MS_MAX, everyMs: 50, futile }
    try {
      await until(`Kafka ${KAFKA_VERSION} takes connections`, () => accepts(this.#port), patience)
    } catch (cause) {
      child.kill('SIGKILL')
      const said = await readFile(join(this.#folder, 'kafka.out'), 'utf8').catch(() => '')
      throw new Error(`Kafka did not start on port ${this.#port}:\n${said.slice(-4_000)}`, { cause })
    }
  }
}

/** of the keystore: a file that lives as long as the test */
const STORE_PASSWORD = 'watershed-tests'

/** A key of the broker's own and a certificate that it signed itself, which is returned. */
async function makeCertificate(java: string, folder: string): Promise<string> {
  const keytool = join(dirname(java), 'keytool')
  const store = ['-keystore', join(folder, 'broker.p12'), '-storetype', 'PKCS12', '-storepass', STORE_PASSWORD]
  const subject = ['-dname', 'CN=watershed tests', '-ext', 'SAN=IP:127.0.0.1', '-ext', 'BC=ca:true', '-validity', '2']
  const key = ['-genkeypair', '-alias', 'broker', '-keyalg', 'EC', '-groupname', 'secp256r1']
  await promisify(execFile)(keytool, [...key, ...store, ...subject])
  const { stdout } = await promisify(execFile)(keytool, ['-exportcert', '-rfc', '-alias', 'broker', ...store])
  return stdout
}

function scramUsers(user: KafkaUser | undefined): string[] {
  if (user === undefined) return []
  const { username, password } = user
  return ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((mechanism) => [
    '--add-scram',
    `${mechanism}=[name=${username},password=${password}]`,
  ])
}

function secureProperties(folder: string, { username, password }: KafkaUser): Record<string, string> {
  const listener = 'listener.name.secure'
  const module = 'org.apache.kafka.common.security'
  const scram = `${module}.scram.ScramLoginModule required;`
  return {
    [`${listener}.ssl.keystore.type`]: 'PKCS12',
    [`${listener}.ssl.keystore.location`]: join(folder, 'broker.p12'),
    [`${listener}.ssl.keystore.password`]: STORE_PASSWORD,
    [`${listener}.ssl.key.password`]: STORE_PASSWORD,
    [`${listener}.sasl.enabled.mechanisms`]: 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
    [`${listener}.plain.sasl.jaas.config`]: `${module}.plain.PlainLoginModule required user_${username}="${password}";`,
    [`${listener}.scram-sha-256.sasl.jaas.config`]: scram,
    [`${listener}.scram-sha-512.sasl.jaas.config`]: scram,
  }
}

function propertiesText(
  folder: string,
  port: number,
  controllerPort: number,
  securePort: number,
  options: KafkaServerOptions,
): string {
  const client = [`PLAINTEXT://127.0.0.1:${port}`, ...(options.user ? [`SECURE://127.0.0.1:${securePort}`] : [])].join()
  const properties: Record<string, string> = {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    listeners: `${client},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': client,
    'inter.broker.listener.name': 'PLAINTEXT',
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL',
    'controller.listener.names': 'CONTROLLER',
    'log.dirs': join(folder, DATA),
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
    ...(options.user && secureProperties(folder, options.user)),
    ...options.properties,
  }
  return Object.entries(properties)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('')
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true))
    socket.once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}
