/** Makes the library's client from our settings: explicit retries (its defaults depend on NODE_ENV), and its log lines as one function. */
import { connect, isIP } from 'node:net'
import { connect as tlsConnect } from 'node:tls'
import kafkajs, { type ISocketFactory, type Kafka, type KafkaConfig, type SASLOptions } from 'kafkajs'
import type { KafkaClientSettings } from './kafka-settings.ts'

const { logLevel } = kafkajs

/** told what the library would print. Nothing of it is a failure yet: we repeat what fails, and throw when it stays */
export type KafkaNotice = (message: string) => void

/** Said of every producer that is made for fewer than endless retries (what we do then is in KafkaAppender), and of answers, which we judge ourselves. */
const NO_NEWS = ['Limiting retries for the idempotent producer', 'Response ']

export const DEFAULT_OUTAGE_MS_MAX = 30_000
const CONNECT_MS_MAX = 3_000
export const REQUEST_MS_MAX = 15_000
const RETRY_MS_MAX = 1_000
const KEEP_ALIVE_MS = 60_000

/** `patientMs`: for about how long one call of the library repeats what fails; 0: a single try, who calls it repeats. */
export function kafkaClient(settings: KafkaClientSettings, patientMs: number, notice: KafkaNotice = () => {}): Kafka {
  const config: KafkaConfig = {
    clientId: settings.clientId ?? 'watershed',
    brokers: [...settings.brokers],
    connectionTimeout: settings.connectMsMax ?? CONNECT_MS_MAX,
    authenticationTimeout: settings.requestMsMax ?? REQUEST_MS_MAX,
    requestTimeout: settings.requestMsMax ?? REQUEST_MS_MAX,
    enforceRequestTimeout: true,
    retry: {
      initialRetryTime: 100,
      maxRetryTime: RETRY_MS_MAX,
      factor: 0.2,
      multiplier: 2,
      retries: triesIn(patientMs),
    },
    socketFactory,
    logLevel: logLevel.WARN,
    logCreator:
      () =>
      ({ log }) => {
        if (NO_NEWS.some((start) => log.message.startsWith(start))) return
        notice(log.error ? `${log.message}: ${log.error}` : log.message)
      },
    ...(settings.ssl === undefined ? {} : { ssl: settings.ssl }),
    ...(settings.sasl === undefined ? {} : { sasl: settings.sasl as SASLOptions }),
  }
  return new kafkajs.Kafka(config)
}

/** As the library's own. Each time that it gives up on a socket which never connected it adds a listener: no leak to warn of. */
const socketFactory: ISocketFactory = ({ host, port, ssl, onConnect }) => {
  const name = isIP(host) === 0 ? { servername: host } : {}
  const socket = ssl ? tlsConnect({ host, port, ...name, ...ssl }, onConnect) : connect({ host, port }, onConnect)
  socket.setMaxListeners(0)
  return socket.setKeepAlive(true, KEEP_ALIVE_MS)
}

/** Tries with waits of 100, 200, 400, 800 ms and then 1 s each. */
function triesIn(patientMs: number): number {
  return patientMs <= 0 ? 0 : Math.ceil(patientMs / RETRY_MS_MAX) + 3
}
