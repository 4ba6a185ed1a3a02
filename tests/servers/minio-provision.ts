/** The S3 server of the tests: MinIO, built once from the Go module proxy, then kept between runs. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'

/** as the Go module proxy names it */
export const MINIO_VERSION = 'v0.0.0-20260212201848-7aac2a2c5b7c'
const SERVERS = resolve(import.meta.dirname, '../../node_modules/.cache/servers')
const HOME = join(SERVERS, `minio-${MINIO_VERSION}`)
const PROGRAM = join(HOME, 'minio')
const GO_PLACES = ['go', '/usr/local/go/bin/go', '/usr/lib/go/bin/go']
/** with two processors it takes four minutes */
const BUILD_MS_MAX = 1_800_000
const run = promisify(execFile)

/** Why it cannot be started here; null when it can. */
export function minioMissing(): string | null {
  return existsSync(PROGRAM) ? null : `MinIO is not built; run node tests/servers/provision.ts, which needs Go`
}

/** @throws when it is not built */
export function minioProgram(): string {
  const missing = minioMissing()
  if (missing !== null) throw new Error(missing)
  return PROGRAM
}

/** Builds it if it is missing. @throws Error with what go said */
export async function provisionMinio(): Promise<string> {
  if (existsSync(PROGRAM)) return PROGRAM
  const go = await findGo()
  const making = `${HOME}.${process.pid}.inprogress`
  await mkdir(making, { recursive: true })
  try {
    await run(go, ['install', `github.com/minio/minio@${MINIO_VERSION}`], {
      env: { ...process.env, GOBIN: making },
      timeout: BUILD_MS_MAX,
      maxBuffer: 16 * 1024 * 1024,
    })
    await rename(making, HOME).catch((error: NodeJS.ErrnoException) => {
      // Another process was faster.
      if (!existsSync(PROGRAM)) throw error
    })
  } finally {
    await rm(making, { recursive: true, force: true })
  }
  return PROGRAM
}

async function findGo(): Promise<string> {
  for (const go of GO_PLACES) {
    const found = await run(go, ['version']).then(
      () => true,
      () => false,
    )
    if (found) return go
  }
  throw new Error('there is no go on the PATH; install Go 1.24 or newer (https://go.dev/dl)')
}
