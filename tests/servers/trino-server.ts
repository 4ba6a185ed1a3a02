/**
 * A real Trino for tests on loopback: a coordinator that also works, and further workers where a test asks for them; each with random free
 * ports and a folder of its own, ended by its process id. Catalogs are made by `CREATE CATALOG`; there is `memory` from the start.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TrinoClient } from '#storage/trino/trino-client.ts'
import { until } from '../until.ts'
import { freePorts } from './free-ports.ts'
import { mustRun } from './must-run.ts'
import { provisionTrino, TRINO_VERSION, trinoMissing } from './trino-provision.ts'

const START_MS_MAX = 200_000
const STOP_MS_MAX = 20_000
const POLL_MS = 200
const SAID_MAX = 8_000
/** environment variable: address of the server that test files share. No setting, which begins with WATERSHED_ */
export const TRINO_VARIABLE = 'TEST_TRINO'

export interface TrinoServer {
  /** e.g. http://127.0.0.1:28080 */
  readonly url: string
  /** of its Java process */
  readonly pid: number
  /** ends it for good and removes its folder */
  stop(): Promise<void>
  /** ends it at once, as a crash does */
  kill9(): Promise<void>
  /** freezes it: connections stay open, nothing is answered */
  pause(): void
  resume(): void
}

export interface TrinoOptions {
  /** of a coordinator, which this one then works for */
  readonly coordinator?: string
  /** default: 700 */
  readonly heapMb?: number
  /** default: 2 */
  readonly threads?: number
  /** compile hot code fully, as in production: for measuring */
  readonly compileFully?: boolean
  /** does the work of a dead worker again, for which it keeps what each task has computed; default: true */
  readonly recoversTasks?: boolean
}

/** For `describe.skipIf`: why no server can be started here; null when it can, and where it must run in any case. */
export function whyNoTrino(): string | null {
  if (mustRun()) return null
  const missing = trinoMissing()
  if (missing !== null) process.stderr.write(`tests with Trino are skipped. ${missing}\n`)
  return missing
}

/** Address of the server that all test files share, which the test run started. */
export async function sharedTrino(): Promise<string> {
  const pool = process.env[TRINO_VARIABLE]
  if (pool === undefined) throw new Error(`${TRINO_VARIABLE} is not set: run this test with vitest`)
  const answer = await fetch(pool, { method: 'POST' })
  const text = await answer.text()
  if (!answer.ok) throw new Error(text)
  return text
}

/** Starts one and waits until it answers. @throws when something is missing, or with what it wrote when it did not start */
export async function startTrino(options: TrinoOptions = {}): Promise<TrinoServer> {
  const { home, javaHome } = await provisionTrino()
  const folder = mkdtempSync(join(tmpdir(), 'watershed-trino-'))
  const [port] = (await freePorts(1)) as [number]
  const url = `http://127.0.0.1:${port}`
  writeSettings(folder, home, url, options)
  const child = spawn(join(javaHome, 'bin/java'), [...jvmWords(options), ...programWords(folder, home)], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, LANG: 'C.UTF-8', TZ: 'UTC' },
  })
  const killAtExit = (): void => void child.kill('SIGKILL')
  process.once('exit', killAtExit)
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    process.off('exit', killAtExit)
    if (hasEnded(child)) return
    const exited = once(child, 'exit')
    child.kill('SIGCONT')
    child.kill(signal)
    const slow = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX)
    await exited.finally(() => clearTimeout(slow))
  }
  const stop = async (): Promise<void> => {
    await end('SIGTERM')
    rmSync(folder, { recursive: true, force: true })
  }
  let said = ''
  const hear = (text: Buffer): void => {
    said = `${said}${text}`.slice(-SAID_MAX)
  }
  child.stdout.on('data', hear)
  child.stderr.on('data', hear)
  const patience = { withinMs: START_MS_MAX, everyMs: POLL_MS, futile: () => hasEnded(child), said: () => said }
  const isThere = options.coordinator === undefined ? () => answers(url) : () => hasWorker(options.coordinator!, url)
  await until(`Trino ${TRINO_VERSION} answers`, isThere, { ...patience, faultsPass: true }).catch(async (error) => {
    await end('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
    throw error
  })
  return {
    url,
    pid: child.pid!,
    stop,
    kill9: () => end('SIGKILL'),
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
  }
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null
}

function jvmWords({ heapMb = 700, compileFully = false }: TrinoOptions): string[] {
  return [
    ...['-server', `-Xmx${heapMb}m`, '-Xms256m', '-XX:+ExitOnOutOfMemoryError', '-XX:-OmitStackTraceInFastThrow'],
    ...(compileFully ? ['-XX:ReservedCodeCacheSize=256M'] : ['-XX:TieredStopAtLevel=1']),
    ...['-Djdk.attach.allowAttachSelf=true', '-XX:+EnableDynamicAgentLoading', '-Dfile.encoding=UTF-8'],
    ...['--add-modules=jdk.incubator.vector', '--enable-native-access=ALL-UNNAMED'],
  ]
}

function programWords(folder: string, home: string): string[] {
  const settings = `-Dconfig=${join(folder, 'etc/config.properties')}`
  const levels = `-Dlog.levels-file=${join(folder, 'etc/log.properties')}`
  return [settings, levels, '-cp', join(home, 'lib/*'), 'io.trino.server.TrinoServer']
}

function writeSettings(folder: string, home: string, url: string, options: TrinoOptions): void {
  for (const name of ['etc/catalog', 'exchange']) mkdirSync(join(folder, name), { recursive: true })
  const write = (name: string, settings: Readonly<Record<string, string | number | boolean>>): void => {
    const lines = Object.entries(settings).map(([key, value]) => `${key}=${value}\n`)
    writeFileSync(join(folder, 'etc', name), lines.join(''))
  }
  const { coordinator, heapMb = 700, threads = 2, recoversTasks = true } = options
  const isCoordinator = coordinator === undefined
  write('config.properties', {
    'node.environment': 'tests',
    'node.id': new URL(url).port,
    'node.internal-address': '127.0.0.1',
    'node.bind-ip': '127.0.0.1',
    coordinator: isCoordinator,
    'http-server.http.port': new URL(url).port,
    'discovery.uri': coordinator ?? url,
    'plugin.dir': join(home, 'plugin'),
    'query.max-memory-per-node': `${Math.floor(heapMb * 0.5)}MB`,
    'memory.heap-headroom-per-node': `${Math.floor(heapMb * 0.2)}MB`,
    'task.concurrency': threads,
    'task.max-worker-threads': threads,
    'task.min-drivers': threads,
    'exchange.client-threads': 2,
    'http-server.threads.max': 60,
    'catalog.management': 'dynamic',
    // What a dead worker had to do is done again by another one. As small as these tests are, so are the tasks.
    'retry-policy': recoversTasks ? 'TASK' : 'NONE',
    'fault-tolerant-execution-task-memory': '64MB',
    'task-retry-attempts-per-task': 4,
    'retry-initial-delay': '200ms',
    ...(isCoordinator && {
      'catalog.store': 'file',
      'node-scheduler.include-coordinator': true,
      'query.remote-task.max-error-duration': '3s',
      'query.max-history': 200,
    }),
  })
  write('exchange-manager.properties', {
    'exchange-manager.name': 'filesystem',
    'exchange.base-directories': isCoordinator ? join(folder, 'exchange') : join(tmpdir(), 'unused'),
  })
  write('catalog/memory.properties', { 'connector.name': 'memory' })
  write('log.properties', { 'io.trino': 'WARN', 'io.airlift': 'WARN', '': 'WARN' })
}

async function answers(url: string): Promise<boolean> {
  const info = (await (await fetch(`${url}/v1/info`)).json()) as { readonly starting: boolean }
  return !info.starting
}

/** Whether the coordinator has seen the worker, and gives it work. */
async function hasWorker(coordinator: string, url: string): Promise<boolean> {
  if (!(await answers(url))) return false
  const { rows } = await new TrinoClient({ url: coordinator }).query(
    `SELECT count(*) FROM system.runtime.nodes WHERE state = 'active' AND node_id = '${new URL(url).port}'`,
  )
  return rows[0]![0] === 1
}
