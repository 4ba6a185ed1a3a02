/** The Elasticsearch that tests run: fetched with Maven and unpacked once, then kept between runs. */
import { execFile } from 'node:child_process'
import { chmod, mkdir, mkdtemp, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { findJdk } from './find-jdk.ts'

/** the same as in docker-compose.yml */
export const ELASTICSEARCH_VERSION = '9.5.0'
const JDK_MAJOR_MIN = 21
const ARTIFACT = `org.elasticsearch.distribution.integ-test-zip:elasticsearch:${ELASTICSEARCH_VERSION}:zip`
const NAME = `elasticsearch-${ELASTICSEARCH_VERSION}`
const LOCK_MS_MAX = 300_000
const LOCK_POLL_MS = 250
const run = promisify(execFile)

export interface ElasticsearchDistribution {
  /** ES_HOME */
  readonly home: string
  readonly javaHome: string
}

/** This machine lacks something that Elasticsearch needs; the message says what. */
export class ServerUnavailableError extends Error {
  constructor(why: string) {
    super(`Elasticsearch ${ELASTICSEARCH_VERSION} cannot be run here: ${why}`)
    this.name = 'ServerUnavailableError'
  }
}

/** Makes sure that the distribution is unpacked; of several processes one does the work. @throws ServerUnavailableError */
export async function provisionElasticsearch(): Promise<ElasticsearchDistribution> {
  const javaHome = findJdk(JDK_MAJOR_MIN)
  if (javaHome === null)
    throw new ServerUnavailableError(`there is no full JDK ${JDK_MAJOR_MIN} or newer; install one, or set JAVA_HOME`)
  const servers = await serversFolder()
  const home = join(servers, NAME)
  if (!(await exists(home))) {
    await mkdir(servers, { recursive: true })
    await locked(join(servers, `${NAME}.lock`), async () => {
      if (!(await exists(home))) await unpack(servers, home, javaHome)
    })
  }
  return { home, javaHome }
}

/** Beside the packages; elsewhere when the checkout is in a folder that the server's user cannot enter. */
async function serversFolder(): Promise<string> {
  const folder = resolve(import.meta.dirname, '../../node_modules/.cache/servers')
  for (let at = resolve(import.meta.dirname, '../..'); at !== dirname(at); at = dirname(at)) {
    if (((await stat(at)).mode & 0o001) === 0) return join(tmpdir(), 'watershed-servers')
  }
  return folder
}

async function unpack(servers: string, home: string, javaHome: string): Promise<void> {
  const folder = await mkdtemp(join(servers, `${NAME}.unpacking-`))
  try {
    await runTool(
      'mvn',
      ['-q', '-B', 'dependency:copy', `-Dartifact=${ARTIFACT}`, `-DoutputDirectory=${folder}`],
      folder,
    )
    const zip = (await readdir(folder)).find((name) => name.endsWith('.zip'))
    if (zip === undefined) throw new ServerUnavailableError(`Maven did not give ${ARTIFACT}`)
    await runTool(join(javaHome, 'bin/jar'), ['xf', zip], folder)
    for (const name of await readdir(join(folder, NAME, 'bin'))) await chmod(join(folder, NAME, 'bin', name), 0o755)
    // The server runs as another user than the one who unpacks.
    await runTool('chmod', ['-R', 'a+rX', NAME], folder)
    await rename(join(folder, NAME), home)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function runTool(program: string, words: readonly string[], cwd: string): Promise<void> {
  try {
    await run(program, words, { cwd, maxBuffer: 16 * 1024 * 1024 })
  } catch (error) {
    const { stdout = '', message } = error as Error & { stdout?: string }
    throw new ServerUnavailableError(`${program} failed: ${message} ${stdout.slice(-2_000)}`)
  }
}

/** Runs `work` while holding a file that names this process; the lock of a process that is gone is taken over. */
async function locked(file: string, work: () => Promise<void>): Promise<void> {
  const deadline = Date.now() + LOCK_MS_MAX
  for (;;) {
    const handle = await open(file, 'wx').catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
      return null
    })
    if (handle !== null) {
      try {
        await handle.writeFile(String(process.pid))
        return await work()
      } finally {
        await handle.close()
        await rm(file, { force: true })
      }
    }
    if (Date.now() > deadline)
      throw new ServerUnavailableError(`${file} is held by another process; remove it if none is at work`)
    if (await isAbandoned(file)) await rm(file, { force: true })
    else await sleep(LOCK_POLL_MS)
  }
}

async function isAbandoned(file: string): Promise<boolean> {
  const pid = Number(await readFile(file, 'utf8').catch(() => ''))
  if (pid === 0) return false
  try {
    process.kill(pid, 0)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
