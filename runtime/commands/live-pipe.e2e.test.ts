/** `watershed ingest` on a pipe whose writer is still at work, as a real process that is stopped by signals. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { json, text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { until } from '#tests/until.ts'

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url))
const DEFINITION = `
import { count, defineDataset } from 'watershed'

export default defineDataset({
  name: 'shop',
  time: 'ts',
  key: 'id',
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    ts: { type: 'TIMESTAMP', path: '$.ts', required: true },
  },
  views: { sales: { dimensions: {}, measures: { n: count() } } },
})
`
const sales = (from: number, to: number): string =>
  Array.from({ length: to - from }, (_, at) => `{"id":${from + at},"ts":"2026-11-26T01:00:00Z"}\n`).join('')

let folder: string
let child: ChildProcess | null = null
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'watershed-pipe-'))
  await writeFile(join(folder, 'shop.ts'), DEFINITION)
})
afterEach(async () => {
  child?.kill('SIGKILL')
  await rm(folder, { recursive: true, force: true })
})

function ingest(file: string, stdin: 'pipe' | 'ignore' = 'ignore'): ChildProcess {
  const words = ['ingest', 'shop', file, '--json', '--data', join(folder, 'data'), '--dataset', join(folder, 'shop.ts')]
  child = spawn(process.execPath, [MAIN, ...words], { stdio: [stdin, 'pipe', 'inherit'] })
  return child
}

const logFile = (): string => join(folder, 'data', 'log', 'shop.sqlite')

/** Reads the log's ends as another program would, while the process runs. */
function logged(): number {
  if (!existsSync(logFile())) return 0
  const file = new DatabaseSync(logFile(), { readOnly: true })
  try {
    return Number(file.prepare('SELECT sum("end") AS events FROM log_ends').get()!.events)
  } finally {
    file.close()
  }
}

const untilLogged = (events: number): Promise<unknown> =>
  until(`${events} events are in the log`, () => logged() === events, { faultsPass: true })

const write = (writer: NodeJS.WritableStream, lines: string): Promise<void> =>
  new Promise((resolve) => writer.write(lines, () => resolve()))

test.each(['SIGINT', 'SIGTERM'] as const)('events of a live pipe reach the log, and %s loses none', async (signal) => {
  const process = ingest('-', 'pipe')
  const [printed, exit] = [json(process.stdout!), once(process, 'exit')]
  await write(process.stdin!, sales(0, 4))
  await untilLogged(4)
  await write(process.stdin!, `${sales(4, 1_000)}{"id":1000,"ts":`)
  process.kill(signal)
  expect(await exit).toEqual([130, null])
  expect(await printed).toMatchObject({ accepted: 1_000, rejected: 0, interrupted: true, unfinishedLine: 1_001 })
  expect(logged()).toBe(1_000)
})

test('a named pipe is read like stdin, also when its writer comes late', async () => {
  const pipe = join(folder, 'events')
  expect(spawnSync('mkfifo', [pipe]).status).toBe(0)
  const process = ingest(pipe)
  const [printed, exit] = [json(process.stdout!), once(process, 'exit')]
  await until('it waits for a writer', () => existsSync(logFile()))
  const writer = await open(pipe, 'w')
  await writer.write(sales(0, 4))
  await untilLogged(4)
  await writer.write(sales(4, 6))
  process.kill('SIGINT')
  expect(await exit).toEqual([130, null])
  expect(await printed).toMatchObject({ accepted: 6, linesSettled: 6, interrupted: true })
  await writer.close()
  expect(logged()).toBe(6)
})

test('a named pipe without a writer does not keep the process from ending', async () => {
  const pipe = join(folder, 'events')
  expect(spawnSync('mkfifo', [pipe]).status).toBe(0)
  const process = ingest(pipe)
  const [printed, exit] = [text(process.stdout!), once(process, 'exit')]
  await until('it waits for a writer', () => existsSync(logFile()))
  process.kill('SIGTERM')
  expect(await exit).toEqual([130, null])
  expect(JSON.parse(await printed)).toMatchObject({ accepted: 0, linesSettled: 0, interrupted: true })
})
