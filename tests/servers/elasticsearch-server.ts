/** A real Elasticsearch on loopback for tests: one node, random free ports, a folder of its own, stopped by process id. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { until } from '../until.ts'
import {
  type ElasticsearchDistribution,
  provisionElasticsearch,
  ServerUnavailableError,
} from './elasticsearch-distribution.ts'
import { freePorts } from './free-ports.ts'
import { mustRun } from './must-run.ts'

export { ELASTICSEARCH_VERSION, provisionElasticsearch } from './elasticsearch-distribution.ts'

const HEAP = '512m'
const START_MS_MAX = 200_000
const STOP_MS_MAX = 30_000
const POLL_MS = 100
/** environment variable: address of the pool that test files take their servers from. No setting, which begins with WATERSHED_ */
export const POOL_VARIABLE = 'TEST_ELASTICSEARCH_POOL'
export const TEST_PASSWORD = 'only-for-tests'

export interface ElasticsearchServer {
  /** e.g. http://127.0.0.1:29200 */
  readonly node: string
  /** of the server's Java process */
  readonly pid: number
  /** for servers with security: the built-in user `elastic` */
  readonly auth: { readonly username: string; readonly password: string } | null
  /** ends it for good and removes its folder */
  stop(): Promise<void>
  /** ends it at once, as a crash does; its folder stays */
  kill9(): Promise<void>
  /** starts it again on the same port and folder */
  restart(): Promise<void>
  /** freezes it: connections stay open, nothing is answered */
  pause(): void
  resume(): void
}

export interface ElasticsearchServerOptions {
  /** compile hot code fully, as in production: for measuring. Tests start in half the processor time without it */
  readonly compileFully?: boolean
  readonly security?: boolean
}

/**
 * For `test.skipIf`: why no server can be run here, or null. With WATERSHED_REQUIRE_SERVERS=1 it throws instead.
 * The reason is also printed.
 */
export async function elasticsearchMissing(): Promise<string | null> {
  try {
    await provisionElasticsearch()
    return null
  } catch (error) {
    if (mustRun() || !(error instanceof ServerUnavailableError)) throw error
    process.stderr.write(`tests with Elasticsearch are skipped. ${error.message}\n`)
    return error.message
  }
}

/** Starts a server, or takes one that an earlier test file gave back, emptied. @throws ServerUnavailableError, or what the server wrote when it did not start */
export async function startElasticsearch(options: ElasticsearchServerOptions = {}): Promise<ElasticsearchServer> {
  const pool = process.env[POOL_VARIABLE]
  return pool === undefined || Object.keys(options).length > 0 ? startOwnElasticsearch(options) : takeServer(pool)
}

/** Starts a server and waits until it answers. @throws as startElasticsearch */
export async function startOwnElasticsearch(options: ElasticsearchServerOptions = {}): Promise<ElasticsearchServer> {
  const distribution = await provisionElasticsearch()
  const site = await makeSite(distribution, options)
  const running = { ...(await launch(site)) }
  const killAtExit = (): void => kill(running.pid, 'SIGKILL')
  process.once('exit', killAtExit)
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const { child, pid } = running
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    kill(pid, 'SIGCONT')
    kill(pid, signal)
    const slow = setTimeout(() => kill(pid, 'SIGKILL'), STOP_MS_MAX)
    await exited.finally(() => clearTimeout(slow))
  }
  return {
    node: site.node,
    auth: site.security ? { username: 'elastic', password: TEST_PASSWORD } : null,
    get pid() {
      return running.pid
    },
    stop: async () => {
      process.off('exit', killAtExit)
      await end('SIGTERM')
      rmSync(site.folder, { recursive: true, force: true })
    },
    kill9: () => end('SIGKILL'),
    restart: async () => {
      await end('SIGTERM')
      Object.assign(running, await launch(site))
    },
    pause: () => kill(running.pid, 'SIGSTOP'),
    resume: () => kill(running.pid, 'SIGCONT'),
  }
}

async function takeServer(pool: string): Promise<ElasticsearchServer> {
  const ask = async <Answer>(path: string): Promise<Answer> => {
    const answer = await fetch(`${pool}/${path}`, { method: 'POST' })
    if (!answer.ok) throw new Error(await answer.text())
    return (await answer.json()) as Answer
  }
  const taken = await ask<{ id: string; node: string; pid: number }>('take')
  const act = async (action: string): Promise<void> =>
    void Object.assign(taken, await ask<{ pid: number }>(`${taken.id}/${action}`))
  return {
    node: taken.node,
    auth: null,
    get pid() {
      return taken.pid
    },
    stop: () => act('give-back'),
    kill9: () => act('kill9'),
    restart: () => act('restart'),
    pause: () => kill(taken.pid, 'SIGSTOP'),
    resume: () => kill(taken.pid, 'SIGCONT'),
  }
}

interface Site {
  readonly folder: string
  readonly node: string
  readonly security: boolean
  readonly home: string
  readonly environment: NodeJS.ProcessEnv
  readonly user: { readonly uid: number; readonly gid: number } | null
}

async function makeSite(
  { home, javaHome }: ElasticsearchDistribution,
  { security = false, compileFully = false }: ElasticsearchServerOptions,
): Promise<Site> {
  const folder = mkdtempSync(join(tmpdir(), 'watershed-elasticsearch-'))
  const [http, transport] = (await freePorts(2)) as [number, number]
  for (const name of ['config', 'config/jvm.options.d', 'data', 'logs', 'tmp']) mkdirSync(join(folder, name))
  for (const name of ['jvm.options', 'log4j2.properties'])
    copyFileSync(join(home, 'config', name), join(folder, 'config', name))
  writeFileSync(join(folder, 'config/elasticsearch.yml'), settings(folder, http, transport, security))
  const site: Site = {
    folder,
    node: `http://127.0.0.1:${http}`,
    security,
    home,
    user: serverUser(),
    environment: {
      PATH: process.env.PATH,
      ES_JAVA_HOME: javaHome,
      ES_PATH_CONF: join(folder, 'config'),
      ES_TMPDIR: join(folder, 'tmp'),
      ES_JAVA_OPTS: `-Xms${HEAP} -Xmx${HEAP}${compileFully ? '' : ' -XX:TieredStopAtLevel=1'}`,
    },
  }
  give(site)
  if (security) setPassword(site)
  return site
}

function settings(folder: string, http: number, transport: number, security: boolean): string {
  const lines = {
    'discovery.type': 'single-node',
    'network.host': '127.0.0.1',
    'http.port': http,
    'transport.port': transport,
    'path.data': join(folder, 'data'),
    'path.logs': join(folder, 'logs'),
    'cluster.routing.allocation.disk.threshold_enabled': false,
    'xpack.security.enabled': security,
    ...(security ? { 'xpack.security.http.ssl.enabled': false, 'xpack.security.transport.ssl.enabled': false } : {}),
  }
  return Object.entries(lines)
    .map(([name, value]) => `${name}: ${value}\n`)
    .join('')
}

/** Elasticsearch refuses to run as root: then it runs as the system's user with no rights. */
function serverUser(): Site['user'] {
  if (process.getuid?.() !== 0) return null
  const id = (flag: string): number => Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}

function give({ folder, user }: Site): void {
  if (user === null) return
  execFileSync('chown', ['-R', `${user.uid}:${user.gid}`, folder])
  chownSync(folder, user.uid, user.gid)
}

/** The password that the built-in user `elastic` has at the first start. */
function setPassword({ home, environment, user }: Site): void {
  const keystore = (...words: string[]): void =>
    void execFileSync(join(home, 'bin/elasticsearch-keystore'), words, {
      env: environment,
      input: TEST_PASSWORD,
      stdio: ['pipe', 'ignore', 'pipe'],
      ...(user ?? {}),
    })
  keystore('create')
  keystore('add', '--stdin', 'bootstrap.password')
}

interface Running {
  child: ChildProcess
  pid: number
}

async function launch(site: Site): Promise<Running> {
  const pidFile = join(site.folder, 'tmp/server.pid')
  rmSync(pidFile, { force: true })
  let said = ''
  const child = spawn(join(site.home, 'bin/elasticsearch'), ['-p', pidFile], {
    env: site.environment,
    cwd: site.folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(site.user ?? {}),
  })
  const hear = (text: Buffer): void => {
    said = `${said}${text}`.slice(-8_000)
  }
  child.stdout!.on('data', hear)
  child.stderr!.on('data', hear)
  const futile = (): boolean => child.exitCode !== null || child.signalCode !== null
  const patience = { withinMs: START_MS_MAX, everyMs: POLL_MS, futile, said: () => said }
  await until('Elasticsearch answers', () => answers(site), patience).catch((error: unknown) => {
    child.kill('SIGKILL')
    throw error
  })
  return { child, pid: Number(readFileSync(pidFile, 'utf8')) }
}

async function answers({ node, security }: Site): Promise<boolean> {
  const credentials = Buffer.from(`elastic:${TEST_PASSWORD}`).toString('base64')
  const headers: Record<string, string> = security ? { authorization: `Basic ${credentials}` } : {}
  try {
    const answer = await fetch(`${node}/_cluster/health?wait_for_status=yellow&timeout=5s`, { headers })
    await answer.arrayBuffer()
    return answer.ok
  } catch {
    return false
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
