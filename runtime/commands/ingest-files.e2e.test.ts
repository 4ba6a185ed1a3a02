/** `watershed ingest --follow` and `--resume` as real processes that are killed. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { until } from '#tests/until.ts'

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url))
const DEFINITION = `
import { count, countDistinct, defineDataset } from 'watershed'
export default defineDataset({
  name: 'shop', time: 'ts', key: 'id',
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    ts: { type: 'TIMESTAMP', path: '$.ts', required: true },
  },
  views: { sales: { dimensions: {}, measures: { n: count(), ids: countDistinct('id') } } },
})
`
const sales = (from: number, to: number): string =>
  Array.from({ length: to - from }, (_, at) => `{"id":${from + at},"ts":"2026-11-26T01:00:00Z"}\n`).join('')

let folder: string
const children: ChildProcess[] = []
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'watershed-follow-'))
  writeFileSync(join(folder, 'shop.ts'), DEFINITION)
  mkdirSync(join(folder, 'logs'))
})
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  await rm(folder, { recursive: true, force: true })
})

function run(...words: string[]): ChildProcess {
  const shared = ['--json', '--data', join(folder, 'data'), '--dataset', join(folder, 'shop.ts')]
  const child = spawn(process.execPath, [MAIN, ...words, ...shared], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.push(child)
  return child
}

async function ended(child: ChildProcess): Promise<{ code: number; printed: Record<string, unknown> }> {
  const [printed, [code]] = await Promise.all([text(child.stdout!), once(child, 'exit')])
  return { code: code as number, printed: JSON.parse(printed.trim().split('\n').at(-1)!) }
}

/** As another program reads the log's ends. */
function logged(): number {
  const path = join(folder, 'data', 'log', 'shop.sqlite')
  if (!existsSync(path)) return 0
  const file = new DatabaseSync(path, { readOnly: true })
  try {
    return Number(file.prepare('SELECT sum("end") AS events FROM log_ends').get()!.events)
  } finally {
    file.close()
  }
}

const atLeast = (events: number): Promise<unknown> =>
  until(`${events} events are in the log`, () => logged() >= events, { faultsPass: true })

async function counted(): Promise<unknown> {
  const { printed } = await ended(run('query', 'shop', 'sales'))
  return printed.data
}

test('a followed folder is in the log once, however often the process is killed', async () => {
  writeFileSync(join(folder, 'logs', 'a.ndjson'), sales(0, 20_000))
  let written = 20_000
  for (const [index, killAt] of [1, 21_000, 24_000].entries()) {
    const child = run('ingest', 'shop', 'logs', '--follow')
    await atLeast(killAt)
    appendFileSync(join(folder, 'logs', 'a.ndjson'), sales(written, written + 2_000))
    writeFileSync(join(folder, 'logs', `new-${index}.ndjson`), sales(written + 2_000, written + 3_000))
    written += 3_000
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  const last = run('ingest', 'shop', 'logs', '--follow')
  const end = ended(last)
  await atLeast(written)
  last.kill('SIGINT')
  expect(await end).toMatchObject({ code: 130, printed: { interrupted: true, rejected: 0, faults: [] } })
  expect(await counted()).toEqual([{ n: written, ids: expect.any(Number) }])
  expect(logged()).toBe(written)
})

test('the same command with --resume takes only what is new; without it, files of a pattern are taken as they are', async () => {
  writeFileSync(join(folder, 'logs', 'a.ndjson.gz'), gzipSync(sales(0, 100)))
  writeFileSync(join(folder, 'logs', 'b.csv'), 'id,ts\n200,2026-11-26T01:00:00Z\n')
  expect(await ended(run('ingest', 'shop', 'logs/*', '--resume'))).toMatchObject({ code: 0, printed: { events: 101 } })
  writeFileSync(join(folder, 'logs', 'c.ndjson'), sales(300, 310))
  expect(await ended(run('ingest', 'shop', 'logs/*', '--resume'))).toMatchObject({ code: 0, printed: { events: 10 } })
  writeFileSync(join(folder, 'logs', 'd.ndjson.gz'), gzipSync(sales(400, 410)).subarray(0, 40))
  const damaged = await ended(run('ingest', 'shop', 'logs/*', '--resume'))
  expect(damaged).toMatchObject({
    code: 74,
    printed: { faults: [{ reason: expect.stringMatching(/unexpected end/) }] },
  })
  expect(await ended(run('ingest', 'shop', 'logs/[ac]*'))).toMatchObject({ code: 0, printed: { accepted: 10 } })
  expect(logged()).toBeGreaterThanOrEqual(221)
})
