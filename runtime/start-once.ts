/** Starts the platform once and stops it, so that Node keeps what it compiles from TypeScript: for an image, whose containers cannot keep it. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const folder = mkdtempSync(join(tmpdir(), 'watershed-once-'))
const flags = ['--no-demo', '--port', '0', '--json', '--log-level', 'warn']
const folders = ['--data', join(folder, 'data'), '--set', `scratch=${join(folder, 'scratch')}`]
const platform = spawn(join(import.meta.dirname, '../watershed'), ['start', ...flags, ...folders], {
  stdio: ['ignore', 'pipe', 'inherit'],
})
// Its first line says that all roles run; Node keeps what was compiled when they end.
platform.stdout.once('data', () => platform.kill('SIGTERM'))
const [code] = (await once(platform, 'exit')) as [number | null]
rmSync(folder, { recursive: true, force: true })
if (code !== 0) throw new Error(`the platform could not be started and stopped: its exit code is ${code}`)
