/** kill -9 of processes that append: what was acknowledged is there, once. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readAll, textOf } from '../log-contract.ts'
import { SqliteLog } from './sqlite-log.ts'

const ROUNDS = 6
const PARTITIONS = 3

/** Appends one or more lines to one or two partitions at a time, several at once; dies at the named step, or when it is killed. */
const CHILD = `
  import { SqliteLog } from '${join(import.meta.dirname, 'sqlite-log.ts')}'
  const [file, dieAt, after] = process.argv.slice(1)
  let left = Number(after)
  const step = (name) => {
    if (name === dieAt && --left <= 0) process.kill(process.pid, 'SIGKILL')
  }
  const log = await SqliteLog.open({ file, dataset: 'd', partitions: ${PARTITIONS}, step })
  let number = 0
  const batch = (partition) => {
    const texts = Array.from({ length: 1 + (number % 3) }, () => JSON.stringify({ pid: process.pid, number: number++ }))
    return { partition, lines: Buffer.from(texts.join('\\n') + '\\n'), count: texts.length }
  }
  const lane = async () => {
    for (;;) {
      const batches = [batch(number % 3), ...(number % 2 ? [batch((number + 1) % 3)] : [])]
      const ranges = await log.append(batches)
      const acks = ranges.map((range, index) => ({ ...range, lines: batches[index].lines.toString() }))
      process.stdout.write(JSON.stringify(acks) + '\\n')
    }
  }
  await Promise.all([lane(), lane(), lane()])`

interface Acknowledged {
  readonly partition: number
  readonly start: number
  readonly end: number
  readonly lines: string
}

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'log-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

test.each([
  ['at a random moment', ''],
  ['in the middle of a transaction', 'append:before-commit'],
  ['behind the commit', 'append:committed'],
])('processes that append to one file and are killed %s lose and double nothing acknowledged', async (_, dieAt) => {
  const file = join(folder, 'log.sqlite')
  const acknowledged: Acknowledged[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const after = 5 + round * 7
    const children = [0, 1].map(() => {
      const words = ['--input-type=module', '-e', CHILD, file, dieAt, String(after)]
      return spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] })
    })
    await Promise.all(children.map((child) => collect(child, dieAt === '' ? after : null, acknowledged)))
  }
  expect(acknowledged.length).toBeGreaterThan(ROUNDS * 10)
  await assertHeld(file, acknowledged)
})

/** Takes down what a child says was acknowledged, until it is dead; kills it after `killAfter` of them. */
async function collect(child: ChildProcess, killAfter: number | null, into: Acknowledged[]): Promise<void> {
  const exited = once(child, 'exit')
  let seen = 0
  for await (const text of createInterface({ input: child.stdout! })) {
    // The last line may be cut off by the kill.
    if (!text.endsWith(']')) continue
    into.push(...(JSON.parse(text) as Acknowledged[]))
    if (++seen === killAfter) child.kill('SIGKILL')
  }
  expect((await exited)[1]).toBe('SIGKILL')
}

async function assertHeld(file: string, acknowledged: readonly Acknowledged[]): Promise<void> {
  const log = await SqliteLog.open({ file, dataset: 'd', partitions: PARTITIONS })
  const held: string[][] = []
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const { start, end } = await log.range(partition)
    held.push(
      textOf(await readAll(log, partition))
        .split('\n')
        .slice(0, -1),
    )
    expect([start, end]).toEqual([0, held[partition]!.length])
  }
  await log.close()
  for (const { partition, start, end, lines } of acknowledged)
    expect(
      held[partition]!.slice(start, end)
        .map((line) => `${line}\n`)
        .join(''),
    ).toBe(lines)
  const all = held.flat()
  expect(new Set(all).size).toBe(all.length)
}
