/** A real Redis for tests: Debian's redis-server on loopback with its own folder, an append-only file and no eviction; ended by its process id. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { until } from '../until.ts'
import { freePorts } from './free-ports.ts'
import { mustRun } from './must-run.ts'

/** the series that docker-compose.yml runs; tests take a newer one, too */
export const REDIS_VERSION = '7'
const PROGRAM = 'redis-server'
const READY_MS_MAX = 15_000
const ASK_EVERY_MS = 20

export interface RedisServer {
  /** redis://127.0.0.1:<port> */
  readonly url: string
  /** of the present process */
  readonly pid: number
  /** ends it in good order and removes its folder */
  stop(): Promise<void>
  /** as a power cut would, for the process; what it had written to its append-only file stays */
  kill9(): Promise<void>
  /** again on the same port and folder; also after `kill9` */
  restart(): Promise<void>
  /** forgets everything, as somebody's FLUSHALL does */
  flushAll(): Promise<void>
}

/** Of the program on the PATH, e.g. 7.0.15. @throws when there is none, or an older series */
export function redisVersion(): string {
  let said = ''
  try {
    said = execFileSync(PROGRAM, ['--version'], { encoding: 'utf8' })
  } catch (error) {
    throw new Error(`there is no ${PROGRAM} on the PATH; install it (Debian: apt-get install redis-server)`, {
      cause: error,
    })
  }
  const version = /v=(\d+)(\.\d+)*/.exec(said)
  if (version && Number(version[1]) >= Number(REDIS_VERSION)) return version[0].slice(2)
  throw new Error(`tests need Redis ${REDIS_VERSION} or newer, but ${PROGRAM} says '${said.trim()}'`)
}

/** Why no Redis can be started here; null when it can, and where it must run in any case. For `describe.skipIf`. */
export function whyNoRedis(): string | null {
  if (mustRun()) return null
  try {
    redisVersion()
    return null
  } catch (error) {
    console.warn(`tests on a real Redis are skipped: ${(error as Error).message}`)
    return (error as Error).message
  }
}

/** @throws when the program is missing or does not answer in time; the message holds the last lines that it wrote */
export async function startRedis(): Promise<RedisServer> {
  const folder = await mkdtemp(join(tmpdir(), 'watershed-redis-'))
  const [port] = (await freePorts(1)) as [number]
  const url = `redis://127.0.0.1:${port}`
  let child = await launch(folder, port)
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill(signal)
    await exited
  }
  return {
    url,
    get pid() {
      return child.pid!
    },
    kill9: () => end('SIGKILL'),
    async restart() {
      await end('SIGTERM')
      child = await launch(folder, port)
    },
    async stop() {
      await end('SIGTERM')
      await rm(folder, { recursive: true, force: true })
    },
    flushAll: async () => void (await askOnce(url, (client) => client.flushall())),
  }
}

async function launch(folder: string, port: number): Promise<ChildProcess> {
  const logFile = join(folder, 'redis.log')
  const flags = {
    bind: '127.0.0.1',
    port: String(port),
    dir: folder,
    logfile: logFile,
    appendonly: 'yes',
    // With 'everysec' a write can wait for a slow disk until after its answer, and kill -9 would lose it; so every answer comes after its write.
    appendfsync: 'no',
    save: '',
    'maxmemory-policy': 'noeviction',
  }
  const child = spawn(
    PROGRAM,
    Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]),
    { stdio: 'ignore' },
  )
  const endWithUs = (): void => void child.kill('SIGKILL')
  process.once('exit', endWithUs)
  child.once('exit', () => process.off('exit', endWithUs))
  const failed = once(child, 'error').then(([error]) => error as Error)
  const ready = untilReady(child, `redis://127.0.0.1:${port}`).then(
    () => null,
    (error: Error) => error,
  )
  const fault = await Promise.race([ready, failed])
  if (fault === null && child.exitCode === null) return child
  endWithUs()
  const said = await readFile(logFile, 'utf8').catch(() => '')
  throw new Error(
    `${PROGRAM} did not start on port ${port}: ${fault?.message ?? `exit ${child.exitCode}`}; install it (Debian: apt-get install redis-server). ${said.slice(-1_000)}`,
  )
}

async function untilReady(child: ChildProcess, url: string): Promise<void> {
  const ready = async (): Promise<boolean> => (await askOnce(url, (client) => client.ping())) === 'PONG'
  const patience = { withinMs: READY_MS_MAX, everyMs: ASK_EVERY_MS, faultsPass: true }
  await until('Redis answers', ready, { ...patience, futile: () => child.exitCode !== null })
}

/** One request on a connection of its own that is not tried again. */
async function askOnce<Answer>(url: string, ask: (client: Redis) => Promise<Answer>): Promise<Answer> {
  const client = new Redis(url, { lazyConnect: true, retryStrategy: () => null, maxRetriesPerRequest: 0 })
  client.on('error', () => {})
  try {
    await client.connect()
    return await ask(client)
  } finally {
    client.disconnect()
  }
}
