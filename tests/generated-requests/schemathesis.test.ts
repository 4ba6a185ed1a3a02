/** Requests that another program makes from the OpenAPI document, valid and invalid ones: none is a fault of the server, and none hangs. */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { RsvpGenerator } from '#datasets/meetup-rsvps/rsvp-generator.ts'
import { PlatformProcess } from '#tests/crash/platform-process.ts'
import { mustRun } from '#tests/servers/must-run.ts'
import { provisionSchemathesis, schemathesisPython } from '#tests/servers/schemathesis.ts'

const DATASET = 'meetup_rsvps'
const EVENTS = 400
/** of each operation; set it to 60 for a long run */
const EXAMPLES = process.env.SCHEMATHESIS_EXAMPLES ?? '4'
const SEED = process.env.SCHEMATHESIS_SEED ?? String(Date.now() % 2 ** 31)
/** a request that takes it hangs */
const HANGS_S = 60
const RUN_MS_MAX = 900_000
/** They go on for as long as somebody follows them. */
const STREAMS = '/live$|/progress$'

describe.skipIf(schemathesisPython() === null && !mustRun())('the server', () => {
  let folder: string
  let platform: PlatformProcess
  let address: string
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'watershed-schemathesis-'))
    const words = ['--data', folder, '--dataset', DATASET, '--port', '0', '--no-demo']
    platform = new PlatformProcess({ arguments: words })
    address = await platform.address
    const generator = new RsvpGenerator({ seed: 3, startMs: Date.now() })
    const body = Array.from({ length: EVENTS }, () => generator.next()).join('\n')
    const headers = { 'content-type': 'application/x-ndjson' }
    const taken = await fetch(`${address}/v1/datasets/${DATASET}/events`, { method: 'POST', headers, body })
    expect(taken.status).toBe(202)
  })
  afterAll(async () => {
    await platform.stop()
    rmSync(folder, { recursive: true })
  })

  test(
    'answers every request that its OpenAPI document leads to',
    async () => {
      const { code, said } = await schemathesis(await provisionSchemathesis())
      expect(code, said).toBe(0)
      const [, cases = 0] = /(\d+) generated, \1 passed/.exec(said) ?? []
      expect(Number(cases), said).toBeGreaterThan(500)
      expect(platform.alive, platform.said).toBe(true)
    },
    RUN_MS_MAX,
  )

  function schemathesis(python: string): Promise<{ code: number | null; said: string }> {
    const words = [
      ...['-m', 'schemathesis.cli', '--config-file', join(import.meta.dirname, 'schemathesis.toml')],
      ...['run', `${address}/openapi.json`, '--url', address, '--phases', 'examples,coverage,fuzzing'],
      ...['--checks', 'not_a_server_error', '--exclude-path-regex', STREAMS, '--request-timeout', String(HANGS_S)],
      ...[
        '--max-examples',
        EXAMPLES,
        '--seed',
        SEED,
        '--generation-database',
        'none',
        '--no-color',
        '--warnings',
        'off',
      ],
    ]
    return new Promise((resolve) => {
      const options = { cwd: folder, maxBuffer: 64 * 1024 * 1024 }
      const child = execFile(python, words, options, (_, stdout, stderr) =>
        resolve({ code: child.exitCode, said: stdout + stderr }),
      )
    })
  }
})
