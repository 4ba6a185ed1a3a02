/**
 * The Spark of the tests, with Delta Lake: Spark as Python's package registry has it, Delta's jars through Maven. Kept in
 * node_modules/.cache/servers: `bin`, `jars`, and `python`, which any Python imports.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { findJdk } from './find-jdk.ts'
import { mustRun } from './must-run.ts'

export const SPARK_VERSION = '4.1.4'
/** the newest for this Spark on Maven Central */
export const DELTA_VERSION = '4.3.1'
/** test files that need it */
export const SPARK_FILES = ['tests/open-tables/spark.test.ts']
const DELTA_JARS = ['delta-spark_4.1_2.13', 'delta-storage', 'delta-kernel-api', 'delta-kernel-defaults']
/** Hadoop's client in Spark 4.1 needs the security manager, which Java 24 has no more. */
const JDK_MAJORS = { min: 17, max: 23 } as const
const SERVERS = resolve(import.meta.dirname, '../../node_modules/.cache/servers')
const HOME = join(SERVERS, `spark-${SPARK_VERSION}-delta-${DELTA_VERSION}`)
const PYTHON = process.env.WATERSHED_PYTHON ?? 'python3'
const COPY = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies'
const FETCH_MS_MAX = 1_200_000
const run = promisify(execFile)

export interface SparkDistribution {
  /** a Python that imports `pyspark` with `env` */
  readonly python: string
  readonly env: Readonly<Record<string, string>>
}

/** For `describe.skipIf`: why it cannot be started here; null when it can, and where it must run in any case. */
export function whyNoSpark(): string | null {
  if (mustRun()) return null
  const missing = sparkMissing()
  if (missing !== null) process.stderr.write(`tests with Spark are skipped. ${missing}\n`)
  return missing
}

function sparkMissing(): string | null {
  if (javaHome() === null)
    return `there is no full JDK ${JDK_MAJORS.min} to ${JDK_MAJORS.max}; install one, or set JAVA_HOME`
  return existsSync(HOME)
    ? null
    : 'Spark is not here; run node tests/servers/provision.ts, which needs Python and Maven'
}

/** Fetches it if it is missing. @throws Error with what pip, tar or Maven said */
export async function provisionSpark(): Promise<SparkDistribution> {
  if (!existsSync(HOME)) await fetchSpark()
  const missing = sparkMissing()
  if (missing !== null) throw new Error(`Spark ${SPARK_VERSION} cannot be started: ${missing}`)
  const python = join(HOME, 'python')
  const packed = (await readdir(python)).filter((name) => name.endsWith('.zip')).map((name) => join(python, name))
  return {
    python: PYTHON,
    env: {
      ...{ JAVA_HOME: javaHome()!, SPARK_HOME: HOME, SPARK_LOCAL_IP: '127.0.0.1' },
      PYTHONPATH: [python, ...packed].join(':'),
    },
  }
}

function javaHome(): string | null {
  return findJdk(JDK_MAJORS.min, JDK_MAJORS.max)
}

async function fetchSpark(): Promise<void> {
  const making = `${HOME}.${process.pid}.inprogress`
  await mkdir(making, { recursive: true })
  try {
    const home = join(making, 'home')
    await mkdir(home)
    await Promise.all([fetchFromPython(making, home), fetchDelta(making)])
    for (const name of await readdir(join(making, 'delta')))
      await rename(join(making, 'delta', name), join(home, 'jars', name))
    await rename(home, HOME).catch((error: NodeJS.ErrnoException) => {
      // Another process was faster.
      if (!existsSync(HOME)) throw error
    })
  } finally {
    await rm(making, { recursive: true, force: true })
  }
}

/** Of the source package (456 MB), which is all that there is, only what tests need: its own build would copy and compress all jars. */
async function fetchFromPython(making: string, home: string): Promise<void> {
  const download = ['-m', 'pip', 'download', '--quiet', '--no-deps', '--no-binary', ':all:', '--dest', making]
  await runTool(PYTHON, [...download, `pyspark==${SPARK_VERSION}`])
  const root = `pyspark-${SPARK_VERSION}`
  const parts = ['deps/jars', 'deps/bin', 'lib', 'pyspark'].map((part) => `${root}/${part}`)
  await runTool('tar', ['xzf', join(making, `${root}.tar.gz`), '-C', making, '--exclude=connect-repl', ...parts])
  for (const part of ['jars', 'bin']) await rename(join(making, root, 'deps', part), join(home, part))
  const [python, lib] = [join(home, 'python'), join(making, root, 'lib')]
  await mkdir(python)
  await rename(join(making, root, 'pyspark'), join(python, 'pyspark'))
  for (const name of await readdir(lib)) if (name.startsWith('py4j-')) await rename(join(lib, name), join(python, name))
}

async function fetchDelta(making: string): Promise<void> {
  const pom = join(making, 'pom.xml')
  // What they depend on is in Spark.
  const alone = '<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>'
  const dependencies = DELTA_JARS.map(
    (name) =>
      `<dependency><groupId>io.delta</groupId><artifactId>${name}</artifactId><version>${DELTA_VERSION}</version>${alone}</dependency>`,
  )
  await writeFile(
    pom,
    `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
  <groupId>watershed.tests</groupId><artifactId>delta</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>${dependencies.join('')}</dependencies>
</project>`,
  )
  await runTool('mvn', ['-q', '-B', '-f', pom, COPY, `-DoutputDirectory=${join(making, 'delta')}`])
}

async function runTool(program: string, words: readonly string[]): Promise<void> {
  await run(program, words, { timeout: FETCH_MS_MAX, maxBuffer: 16 * 1024 * 1024 }).catch(
    (error: Error & { stdout?: string }) => {
      throw new Error(
        `Spark ${SPARK_VERSION} with Delta Lake could not be fetched: ${error.message}\n${error.stdout ?? ''}`,
      )
    },
  )
}
