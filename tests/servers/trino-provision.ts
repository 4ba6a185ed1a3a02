/** The Trino of the tests: the server's archive through Maven, of which node_modules/.cache/servers keeps what tests need. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { findJdk } from './find-jdk.ts'

/** the newest one whose server is on Maven Central; the same as in docker-compose.yml */
export const TRINO_VERSION = '476'
/** test files that need it */
export const TRINO_FILES = [
  'batch-layer/trino-recount.test.ts',
  'storage/trino/trino-client.test.ts',
  'tests/open-tables/trino.test.ts',
  'tests/trino-engine.e2e.test.ts',
  'tests/trino/expressions.test.ts',
  'tests/trino/moments.test.ts',
]
const JDK_MAJOR_MIN = 24
const NAME = `trino-server-${TRINO_VERSION}`
/** delta-lake: the tables of a lake; exchange-filesystem: keeps what tasks have computed when a worker dies; memory: tables of a test */
const KEPT = ['lib', 'plugin/delta-lake', 'plugin/exchange-filesystem', 'plugin/memory'] as const
const SERVERS = resolve(import.meta.dirname, '../../node_modules/.cache/servers')
const HOME = join(SERVERS, `trino-${TRINO_VERSION}`)
const COPY = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy'
/** 821 MB */
const ARCHIVE = `io.trino:trino-server:${TRINO_VERSION}:tar.gz`
const FETCH_MS_MAX = 1_800_000
const run = promisify(execFile)

export interface TrinoDistribution {
  /** has `lib`, the jars of the server, and `plugin`, with a folder of jars per plugin */
  readonly home: string
  readonly javaHome: string
}

/** Why it cannot be started here; null when it can. */
export function trinoMissing(): string | null {
  if (findJdk(JDK_MAJOR_MIN) === null)
    return `there is no full JDK ${JDK_MAJOR_MIN} or newer; install one, or set JAVA_HOME`
  return existsSync(HOME) ? null : 'Trino is not here; run node tests/servers/provision.ts, which needs Maven'
}

/** @throws when something is missing */
export function trinoDistribution(): TrinoDistribution {
  const missing = trinoMissing()
  if (missing !== null) throw new Error(`Trino ${TRINO_VERSION} cannot be started: ${missing}`)
  return { home: HOME, javaHome: findJdk(JDK_MAJOR_MIN)! }
}

/** Fetches it if it is missing. @throws Error with what Maven or tar said */
export async function provisionTrino(): Promise<TrinoDistribution> {
  if (!existsSync(HOME)) await fetchServer()
  return trinoDistribution()
}

async function fetchServer(): Promise<void> {
  const making = `${HOME}.${process.pid}.inprogress`
  await mkdir(making, { recursive: true })
  try {
    await runTool('mvn', ['-q', '-B', COPY, `-Dartifact=${ARCHIVE}`, `-DoutputDirectory=${making}`])
    // Its parts are hard links to each other, so that all of it is unpacked before most of it is removed.
    await runTool('tar', ['xzf', join(making, `${NAME}.tar.gz`), '-C', making])
    const home = join(making, 'home')
    await mkdir(join(home, 'plugin'), { recursive: true })
    for (const part of KEPT) await rename(join(making, NAME, part), join(home, part))
    await rename(home, HOME).catch((error: NodeJS.ErrnoException) => {
      // Another process was faster.
      if (!existsSync(HOME)) throw error
    })
  } finally {
    await rm(making, { recursive: true, force: true })
  }
}

async function runTool(program: string, words: readonly string[]): Promise<void> {
  await run(program, words, { timeout: FETCH_MS_MAX, maxBuffer: 16 * 1024 * 1024 }).catch(
    (error: Error & { stdout?: string }) => {
      throw new Error(`${ARCHIVE} could not be fetched: ${error.message}\n${error.stdout ?? ''}`)
    },
  )
}
