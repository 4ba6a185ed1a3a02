/** Creates the library's client from our settings: explicit retries (its defaults depend on NODE_ENV), and one function for its log lines. */
import { connect, isIP } from 'node:net'
import { connect as tlsConnect } from 'node:tls'
import kafkajs, { type ISocketFactory, type Kafka, type KafkaConfig, type SASLOptions } from 'kafkajs'
import type { KafkaClientSettings } from './kafka-settings.ts'

const { logLevel } = kafkajs

/** receives the library's log lines. None of them is a failure yet: failed requests are retried, and throw if they keep failing */
export type KafkaNotice = (message: string) => void

/** Ignored log lines: about producers with limited retries (handled in KafkaAppender), and about responses, which are checked here. */
const NO_NEWS = ['Limiting retries for the idempotent producer', 'Response ']

export const DEFAULT_OUTAGE_MS_MAX = 30_000
const CONNECT_MS_MAX = 3_000
export const REQUEST_MS_MAX = 15_000
const RETRY_MS_MAX = 1_000
const KEEP_ALIVE_MS = 60_000

/** `patientMs`: for about how long one call of the library retries; 0: a single attempt, the caller retries. */
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

/** Like the library's own socket factory. The library adds a listener for each socket that never connected, which is not a leak. */
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
