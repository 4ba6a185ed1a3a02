/** How much memory V8 keeps for young objects in each thread of `./watershed`. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const SCRIPT = readFileSync(join(import.meta.dirname, '../watershed'), 'utf8')
/** prints the MiB of young objects in the main thread and in another one, after many of them lived for a while */
const LIVELY = `
  const { Worker, isMainThread } = require('node:worker_threads')
  const alive = []
  for (let at = 0; at < 4e6; at++) alive[at % 2e5] = { at }
  const space = require('node:v8').getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')
  console.log(space.space_size / 1024 / 1024)
  if (isMainThread) new Worker(__filename)`

test('no thread keeps more than 16 MiB for young objects', () => {
  const [, flags] = /bin\/node" (--.*) "\$here/.exec(SCRIPT)!
  const program = [
    '-e',
    LIVELY.replace('new Worker(__filename)', `new Worker(${JSON.stringify(LIVELY)}, { eval: true })`),
  ]
  const printed = execFileSync(process.execPath, [...flags!.split(' '), ...program], { encoding: 'utf8' })
  const sizes = printed.trim().split('\n').map(Number)
  expect(sizes).toHaveLength(2)
  for (const size of sizes) expect(size).toBeLessThanOrEqual(16)
})
