/** A real S3 server for tests: MinIO on loopback with its own folder; ended by its process id. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { until } from '../until.ts'
import { freePorts } from './free-ports.ts'
import { MINIO_VERSION, minioMissing, minioProgram } from './minio-provision.ts'
import { mustRun } from './must-run.ts'

const READY_MS_MAX = 60_000
const SAID_MAX = 2_000

export const S3_CREDENTIALS = { accessKeyId: 'watershed-tests', secretAccessKey: 'watershed-secret' } as const

export interface S3Server {
  /** http://127.0.0.1:<port> */
  readonly endpoint: string
  /** of the present process */
  readonly pid: number
  /** makes an empty bucket */
  makeBucket(name: string): Promise<void>
  /** ends it in good order and removes its folder */
  stop(): Promise<void>
  /** as a power cut would, for the process; what it had answered stays */
  kill9(): Promise<void>
  /** again on the same port and folder; also after `kill9` */
  restart(): Promise<void>
}

/** Why no S3 server can be started here; null when it can, and where it must run in any case. For `describe.skipIf`. */
export function whyNoS3(): string | null {
  if (mustRun()) return null
  const missing = minioMissing()
  if (missing !== null) console.warn(`tests on a real S3 server are skipped: ${missing}`)
  return missing
}

/**
 * @param kept a folder for its objects, which stays; default: one that is removed with it
 * @throws when the program is missing or does not answer in time; the message holds the last lines that it wrote
 */
export async function startS3(kept?: string): Promise<S3Server> {
  const program = minioProgram()
  const folder = kept ?? (await mkdtemp(join(tmpdir(), 'watershed-s3-')))
  const [port] = (await freePorts(1)) as [number]
  const endpoint = `http://127.0.0.1:${port}`
  let child = await launch(program, folder, port)
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill(signal)
    await exited
  }
  return {
    endpoint,
    get pid() {
      return child.pid!
    },
    // A folder of the server is a bucket.
    makeBucket: async (name) => void (await mkdir(join(folder, name), { recursive: kept !== undefined })),
    kill9: () => end('SIGKILL'),
    async restart() {
      await end('SIGTERM')
      child = await launch(program, folder, port)
    },
    async stop() {
      await end('SIGTERM')
      if (kept === undefined) await rm(folder, { recursive: true, force: true })
    },
  }
}

async function launch(program: string, folder: string, port: number): Promise<ChildProcess> {
  const child = spawn(program, ['server', folder, '--address', `127.0.0.1:${port}`, '--quiet'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      MINIO_ROOT_USER: S3_CREDENTIALS.accessKeyId,
      MINIO_ROOT_PASSWORD: S3_CREDENTIALS.secretAccessKey,
      MINIO_BROWSER: 'off',
      MINIO_UPDATE: 'off',
      MINIO_SCANNER_SPEED: 'slowest',
    },
  })
  let said = ''
  const hear = (chunk: Buffer): void => {
    said = `${said}${chunk}`.slice(-SAID_MAX)
  }
  child.stdout.on('data', hear)
  child.stderr.on('data', hear)
  const endWithUs = (): void => void child.kill('SIGKILL')
  process.once('exit', endWithUs)
  child.once('exit', () => process.off('exit', endWithUs))
  const failed = once(child, 'error').then(([error]) => Promise.reject(error as Error))
  failed.catch(() => {})
  const ready = async (): Promise<boolean> => (await fetch(`http://127.0.0.1:${port}/minio/health/ready`)).ok
  const patience = { withinMs: READY_MS_MAX, faultsPass: true, futile: () => child.exitCode !== null, said: () => said }
  try {
    await Promise.race([until(`MinIO ${MINIO_VERSION} answers`, ready, patience), failed])
    return child
  } catch (error) {
    endWithUs()
    throw error
  }
}
