/**
 * Brings a real Kafka onto this machine for the tests: jars through Maven into node_modules/.cache/servers, once. Safe to
 * call from several processes at once: one of them works, the others wait for it.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

export const KAFKA_VERSION = '4.3.1'
const SLF4J_VERSION = '1.7.36'
const JAVA_MAJOR_MIN = 17
const PROVISION_MS_MAX = 600_000
const LOCK_STALE_MS = 60_000

const run = promisify(execFile)
const SERVERS = fileURLToPath(new URL('../../node_modules/.cache/servers/', import.meta.url))

/** Why Kafka cannot be started here; null when it can. */
export async function kafkaMissing(): Promise<string | null> {
  for (const java of javaCandidates()) if (((await javaMajor(java)) ?? 0) >= JAVA_MAJOR_MIN) return null
  return `no Java ${JAVA_MAJOR_MIN} or newer (looked at JAVA_HOME and PATH)`
}

/** Path of a java that can run Kafka. @throws when there is none */
export async function javaPath(): Promise<string> {
  for (const java of javaCandidates()) if (((await javaMajor(java)) ?? 0) >= JAVA_MAJOR_MIN) return java
  throw new Error(`Kafka needs ${await kafkaMissing()}; install a JRE, for example openjdk-17-jre-headless`)
}

function javaCandidates(): string[] {
  const home = process.env.JAVA_HOME
  return [...(home ? [join(home, 'bin', 'java')] : []), 'java']
}

async function javaMajor(java: string): Promise<number | null> {
  try {
    const { stderr, stdout } = await run(java, ['-version'])
    const version = /version "(\d+)/.exec(stderr + stdout)?.[1]
    return version === undefined ? null : Number(version)
  } catch {
    return null
  }
}

/** The folder with the jars of Kafka and its tools, fetched when missing. @throws when Maven cannot bring them */
export async function provisionKafka(): Promise<string> {
  const folder = join(SERVERS, `kafka-${KAFKA_VERSION}-with-tools`)
  await mkdir(SERVERS, { recursive: true })
  await withLock(`${folder}.lock`, async () => {
    if (!existsSync(folder)) await fetchJars(folder)
  })
  return folder
}

async function fetchJars(folder: string): Promise<void> {
  const staging = `${folder}.${process.pid}.inprogress`
  await rm(staging, { recursive: true, force: true })
  await mkdir(staging, { recursive: true })
  const pom = join(staging, 'pom.xml')
  await writeFile(pom, pomText())
  const goal = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies'
  const jars = join(staging, 'jars')
  await run('mvn', ['-q', '-B', '-f', pom, goal, '-DincludeScope=runtime', `-DoutputDirectory=${jars}`], {
    timeout: PROVISION_MS_MAX,
    maxBuffer: 16 * 1024 * 1024,
  }).catch((error: Error & { stdout?: string }) => {
    throw new Error(`Kafka ${KAFKA_VERSION} could not be fetched with Maven: ${error.message}\n${error.stdout ?? ''}`)
  })
  if (!(await readdir(jars)).includes(`kafka_2.13-${KAFKA_VERSION}.jar`))
    throw new Error(`Maven brought no kafka_2.13-${KAFKA_VERSION}.jar into ${jars}`)
  await rename(jars, folder)
  await rm(staging, { recursive: true, force: true })
}

function pomText(): string {
  const dependency = (group: string, artifact: string, version: string): string =>
    `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version></dependency>`
  return `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
  <groupId>watershed.tests</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>${dependency('org.apache.kafka', 'kafka_2.13', KAFKA_VERSION)}${dependency('org.apache.kafka', 'kafka-tools', KAFKA_VERSION)}${dependency('org.slf4j', 'slf4j-simple', SLF4J_VERSION)}</dependencies>
</project>`
}

/** A folder is the lock; its holder touches it, so that one whose holder died is taken over. */
async function withLock(lock: string, work: () => Promise<void>): Promise<void> {
  const deadline = Date.now() + PROVISION_MS_MAX
  while (!(await tryMake(lock))) {
    if (Date.now() > deadline) throw new Error(`'${lock}' is held for too long: remove it if nothing provisions Kafka`)
    const age = await stat(lock).then(
      ({ mtimeMs }) => Date.now() - mtimeMs,
      () => 0,
    )
    if (age > LOCK_STALE_MS) await rm(lock, { recursive: true, force: true })
    else await sleep(200)
  }
  const touch = setInterval(() => void utimes(lock, new Date(), new Date()).catch(() => {}), LOCK_STALE_MS / 6)
  try {
    await work()
  } finally {
    clearInterval(touch)
    await rm(lock, { recursive: true, force: true })
  }
}

async function tryMake(folder: string): Promise<boolean> {
  try {
    await mkdir(folder)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}
