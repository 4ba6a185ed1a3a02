/** The processes of a running `start`: they stop with it, and do not outlive it. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { notesDefinition } from '#tests/faults/notes.ts'

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url))

let folder: string
let words: string[]
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'watershed-processes-'))
  const definition = join(folder, 'notes.ts')
  await writeFile(
    definition,
    `if (process.argv[1].includes('role-process')) console.log('printed')\n${notesDefinition('watershed')}`,
  )
  words = ['--dataset', definition, '--data', join(folder, 'data')]
})
afterAll(() => rm(folder, { recursive: true, force: true }))

interface Started {
  readonly child: ChildProcess
  /** all that came on stdout and stderr; resolves when the last process that holds them has ended */
  readonly said: Promise<{ readonly stdout: string; readonly stderr: string }>
}

/** A platform that leads a process group, as one that a terminal runs. */
function spawned(): Started & { readonly child: { readonly stdout: Readable; readonly stderr: Readable } } {
  const child = spawn(process.execPath, [MAIN, 'start', '--port', '0', '--no-demo', ...words], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  const said = Promise.all([text(child.stdout), text(child.stderr)])
  return { child, said: said.then(([stdout, stderr]) => ({ stdout, stderr })) }
}

/** Resolves when it listens. */
async function start(): Promise<Started> {
  const started = spawned()
  await once(createInterface({ input: started.child.stdout }), 'line')
  return started
}

test('Ctrl-C, which reaches every process, stops the platform cleanly', async () => {
  const { child, said } = await start()
  process.kill(-child.pid!, 'SIGINT')
  expect(await once(child, 'exit')).toEqual([0, null])
  const { stdout, stderr } = await said
  expect(stdout).toMatch(/^http:\S+\n$/)
  expect(stderr).toMatch(/^printed$/m)
  expect(stderr).not.toMatch(/"level":"(warn|error)"/)
})

test('Ctrl-C during startup stops the platform before it prints an address', async () => {
  const { child, said } = spawned()
  // Printed by a role process.
  for await (const line of createInterface({ input: child.stderr })) if (line === 'printed') break
  process.kill(-child.pid!, 'SIGINT')
  expect(await once(child, 'exit')).toEqual([0, null])
  const { stdout, stderr } = await said
  expect(stdout).toBe('')
  expect(stderr).toContain('stopped')
})

test('after kill -9 of the platform nothing runs and nothing is locked', async () => {
  const { child, said } = await start()
  child.kill('SIGKILL')
  await said
  const { status, stderr } = spawnSync(process.execPath, [MAIN, 'batch', 'run', ...words], { encoding: 'utf8' })
  expect(status, stderr).toBe(0)
})
