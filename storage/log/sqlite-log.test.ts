import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { lines, logContract } from './log-contract.ts'
import { SqliteLog } from './sqlite-log.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'watershed-log-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const options = (more: object = {}) => ({ file: join(folder, 'log.sqlite'), dataset: 'd', partitions: 3, ...more })

describe('contract', () => {
  logContract(() => SqliteLog.open(options()))
  describe('with blocks of two lines', () => logContract(() => SqliteLog.open(options({ blockBytesMax: 20 }))))
})

test('is the same log when opened again, and refuses another dataset, partition count or file', async () => {
  const log = await SqliteLog.open(options())
  await log.append([lines(2, '{}')])
  await log.close()
  const again = await SqliteLog.open(options())
  expect(again.identity).toBe(log.identity)
  expect((await again.range(2)).end).toBe(1)
  await again.close()
  await expect(SqliteLog.open(options({ partitions: 4 }))).rejects.toThrow(/3 partitions, but 4/)
  await expect(SqliteLog.open(options({ dataset: 'other' }))).rejects.toThrow(/belongs to dataset 'd'/)
  writeFileSync(join(folder, 'foreign'), 'this is no database, but long enough to be looked at '.repeat(20))
  await expect(SqliteLog.open(options({ file: join(folder, 'foreign') }))).rejects.toThrow(
    /foreign.*damaged or of another program/,
  )
})

test('refuses a record over the limit by name, and goes on', async () => {
  const log = await SqliteLog.open(options({ recordBytesMax: 10 }))
  await expect(log.append([lines(0, '{"long":"xxxxxxxxx"}')])).rejects.toThrow(/recordBytesMax is 10/)
  expect(await log.append([lines(0, '{}')])).toEqual([{ partition: 0, start: 0, end: 1 }])
  await log.close()
})

test('waits while too much is waiting to be committed', async () => {
  const log = await SqliteLog.open(options({ waitingBytesMax: 10 }))
  const acks = await Promise.all(Array.from({ length: 20 }, () => log.append([lines(0, '{"a":1}')])))
  expect(new Set(acks.flat().map((range) => range.start)).size).toBe(20)
  await log.close()
})

test('an append that can not be committed is refused, and the next one is taken', async () => {
  const log = await SqliteLog.open(options({ step: failOnce() }))
  await expect(log.append([lines(0, '{}')])).rejects.toThrow(/no luck/)
  expect(await log.append([lines(0, '{}')])).toEqual([{ partition: 0, start: 0, end: 1 }])
  await log.close()
})

function failOnce(): () => void {
  let failed = false
  return () => {
    if (failed) return
    failed = true
    throw new Error('no luck')
  }
}

const CHILD = `
  import { SqliteLog } from '${join(import.meta.dirname, 'sqlite-log.ts')}'
  const log = await SqliteLog.open({ file: process.argv[1], dataset: 'd', partitions: 3 })
  for (let i = 0; ; i++) {
    const line = JSON.stringify({ pid: process.pid, i }) + '\\n'
    const [range] = await log.append([{ partition: i % 3, lines: Buffer.from(line), count: 1 }])
    console.log(JSON.stringify({ ...range, line }))
  }`

test('kill -9 of appending processes loses and doubles nothing that was acknowledged', async () => {
  const file = join(folder, 'log.sqlite')
  await (await SqliteLog.open(options())).close()
  const acknowledged: { partition: number; start: number; line: string }[] = []
  for (let round = 0; round < 5; round++) {
    const children = [0, 1].map(() =>
      spawn(process.execPath, ['--input-type=module', '-e', CHILD, file], { stdio: ['ignore', 'pipe', 'inherit'] }),
    )
    await Promise.all(children.map((child) => killAfter(child, 10 + round * 7, acknowledged)))
  }
  const log = await SqliteLog.open(options())
  const held = new Map<string, string>()
  for (let partition = 0; partition < 3; partition++) {
    const { end } = await log.range(partition)
    const batch = (await log.read(partition, 0, { bytesMax: 1e9, recordsMax: 1e9 }))!
    expect(batch.end).toBe(end)
    for (const [index, line] of batch.lines.toString().trimEnd().split('\n').entries())
      held.set(`${partition}:${index}`, `${line}\n`)
  }
  expect(acknowledged.length).toBeGreaterThan(100)
  for (const { partition, start, line } of acknowledged) expect(held.get(`${partition}:${start}`)).toBe(line)
  expect(new Set(held.values()).size).toBe(held.size)
  await log.close()
})

async function killAfter(
  child: ChildProcess,
  acks: number,
  acknowledged: { partition: number; start: number; line: string }[],
): Promise<void> {
  const exited = once(child, 'exit')
  let seen = 0
  for await (const text of createInterface({ input: child.stdout! })) {
    acknowledged.push(JSON.parse(text))
    if (++seen === acks) child.kill('SIGKILL')
  }
  await exited
}
