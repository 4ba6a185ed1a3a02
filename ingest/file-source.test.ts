import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type FileProgress, type FileResult, ingestFile } from './file-source.ts'
import { gatedLog, openScratch, type Scratch, visit, visits } from './ingest-fixture.ts'
import { Intake } from './intake.ts'

let scratch: Scratch
beforeEach(async () => {
  scratch = await openScratch()
})
afterEach(() => scratch.remove())

const fileOf = (text: string): string => {
  const path = join(scratch.folder, 'events.ndjson')
  writeFileSync(path, text)
  return path
}
const visitLines = (count: number): string => Array.from({ length: count }, (_, id) => `${visit(id)}\n`).join('')

test('takes every line in, names the rejected ones by line number, and reports progress up to the last byte', async () => {
  const lines = [visit(1), '', 'broken', visit(2, 'a\u2028b'), `{"note":"${'x'.repeat(3_000)}"}`, visit(3)]
  const path = fileOf(`\uFEFF${lines.join('\r\n')}`)
  const intake = new Intake({ dataset: visits, log: scratch.log, limits: { recordBytesMax: 1_000 } })
  const progress: FileProgress[] = []
  const result = await ingestFile(intake, path, { onProgress: (at) => void progress.push(at) })
  expect(result).toMatchObject({ accepted: 3, rejected: 2, linesSettled: 6, interrupted: false })
  expect(result.rejects.map(({ line }) => line)).toEqual([3, 5])
  expect(result.rejects[0]!.reason).toMatch(/not valid JSON/)
  expect(result.rejects[1]!.reason).toMatch(/recordBytesMax = 1000/)
  const last = progress.at(-1)!
  expect(last.bytesRead).toBe(last.bytesTotal)
  const texts = [...(await scratch.records()).values()].map(String).sort()
  expect(texts).toEqual([visit(1), visit(2, 'a\u2028b'), visit(3)].sort())
})

test('reads stdin, keeps what is unusable when told to, and fits its batches to small limits', async () => {
  const stdin = Readable.from([Buffer.from('{"id":1'), Buffer.from(`,"at":1}\nno\n${visitLines(50)}`)])
  const intake = new Intake({ dataset: visits, log: scratch.log, limits: { rowsMax: 7, inFlightBytesMax: 300 } })
  const result = await ingestFile(intake, '-', { stdin, acceptUnusable: true })
  expect(result).toMatchObject({ accepted: 52, rejected: 0, unusable: 1, linesSettled: 52 })
  expect((await scratch.records()).size).toBe(52)
})

test('an empty file is no error', async () => {
  const intake = new Intake({ dataset: visits, log: scratch.log })
  expect(await ingestFile(intake, fileOf(''))).toMatchObject({ accepted: 0, rejected: 0, interrupted: false })
})

test('interrupted, it finishes the batch that is under way and says how far it came', async () => {
  const stop = new AbortController()
  const intake = new Intake({ dataset: visits, log: scratch.log })
  const result = await ingestFile(intake, fileOf(visitLines(10_000)), {
    signal: stop.signal,
    onProgress: ({ accepted }) => accepted >= 4_000 && stop.abort(),
  })
  expect(result).toMatchObject({ accepted: 4_000, linesSettled: 4_000, interrupted: true })
  expect((await scratch.records()).size).toBe(4_000)
  const early = await ingestFile(intake, fileOf(visitLines(10)), { signal: stop.signal })
  expect(early).toMatchObject({ accepted: 0, linesSettled: 0, interrupted: true })
})

test('waits for a busy intake instead of losing the batch', async () => {
  const { log, waiting } = gatedLog()
  const intake = new Intake({ dataset: visits, log, limits: { inFlightBytesMax: 120 } })
  const other = intake.offer([visit(99, 'x'.repeat(60))])
  let waits = 0
  const result = ingestFile(intake, fileOf(visitLines(1)), {
    wait: async () => {
      if (waits++ === 0) waiting[0]!.resolve()
      await other
    },
    onProgress: () => {},
  })
  await other
  while (waiting.length < 2) await new Promise<void>((resolve) => setImmediate(resolve))
  waiting[1]!.resolve()
  expect((await result).accepted).toBe(1)
  expect(waits).toBeGreaterThan(0)
})

test('the lines of a live pipe are offered although more would fit into the batch', async () => {
  const stdin = new PassThrough()
  const intake = new Intake({ dataset: visits, log: scratch.log })
  const offered = Promise.withResolvers<FileProgress>()
  const result = ingestFile(intake, '-', { stdin, onProgress: offered.resolve })
  stdin.write(`${visitLines(2)}{"id":2,`)
  expect(await offered.promise).toMatchObject({ accepted: 2, rejected: 0, bytesTotal: null })
  expect((await scratch.records()).size).toBe(2)
  stdin.end('"at":1}')
  expect(await result).toMatchObject({ accepted: 3, rejected: 0, linesSettled: 3, interrupted: false })
})

test.each([
  ['ends with a whole line', '', { accepted: 3, rejected: 1, linesSettled: 4, unfinishedLine: null }],
  ['ends within a line', '{"id":9,"at":', { accepted: 3, rejected: 1, linesSettled: 4, unfinishedLine: 5 }],
  [
    'ends with an event without line end',
    visit(9),
    { accepted: 4, rejected: 1, linesSettled: 5, unfinishedLine: null },
  ],
])('interrupted, it still offers all that was written to a pipe that %s', async (_, last, expected) => {
  const stdin = new PassThrough()
  const stop = new AbortController()
  const intake = new Intake({ dataset: visits, log: scratch.log })
  const result = ingestFile(intake, '-', { stdin, signal: stop.signal })
  stdin.write(`${visitLines(2)}no\n`)
  stop.abort()
  stdin.write(`${visit(3)}\n${last}`)
  expect(await result).toMatchObject({ ...expected, interrupted: true })
  expect((await scratch.records()).size).toBe(expected.accepted)
})

test('interrupted, it does not wait until a pipe that is always full becomes empty', async () => {
  const stop = new AbortController()
  const intake = new Intake({ dataset: visits, log: scratch.log })
  let written = 0
  const stdin = new Readable({
    read() {
      written++
      this.push(Buffer.from(`${visit(written)}\n`))
    },
  })
  const result = await ingestFile(intake, '-', { stdin, signal: stop.signal, onProgress: () => stop.abort() })
  expect(result).toMatchObject({ accepted: written, linesSettled: written, interrupted: true })
})

test('interrupted while the intake is busy, it lets go of the lines of a file, but not of those of a pipe', async () => {
  const busy = async (path: string, appends: number): Promise<FileResult> => {
    const { log, waiting } = gatedLog()
    const intake = new Intake({ dataset: visits, log, limits: { inFlightBytesMax: 120 } })
    const other = intake.offer([visit(99, 'x'.repeat(60))])
    const stop = new AbortController()
    const result = ingestFile(intake, path, {
      stdin: Readable.from([Buffer.from(visitLines(1))]),
      signal: stop.signal,
      wait: async () => {
        stop.abort()
        waiting[0]!.resolve()
        await other
      },
    })
    await other
    while (waiting.length < appends) await new Promise<void>((resolve) => setImmediate(resolve))
    waiting[1]?.resolve()
    return result
  }
  expect(await busy(fileOf(visitLines(1)), 1)).toMatchObject({ accepted: 0, linesSettled: 0, interrupted: true })
  expect(await busy('-', 2)).toMatchObject({ accepted: 1, linesSettled: 1 })
})

test('a pipe that breaks is an error, and the lines before that are in the log', async () => {
  const stdin = new PassThrough()
  const intake = new Intake({ dataset: visits, log: scratch.log })
  const broken = expect(ingestFile(intake, '-', { stdin })).rejects.toThrow(/-, after line 2: the pipe broke; 2 events/)
  stdin.write(visitLines(2))
  setImmediate(() => stdin.destroy(new Error('the pipe broke')))
  await broken
  expect((await scratch.records()).size).toBe(2)
})

test('a missing file, or a log that fails on the way, is an error that says what is in the log', async () => {
  const intake = new Intake({ dataset: visits, log: scratch.log })
  await expect(ingestFile(intake, join(scratch.folder, 'none'))).rejects.toThrow(/none, after line 0: ENOENT.*0 events/)
  const { log, waiting } = gatedLog()
  const failing = ingestFile(new Intake({ dataset: visits, log, limits: { rowsMax: 2 } }), fileOf(visitLines(5)))
  const failure = expect(failing).rejects.toThrow(/after line 2: the disk is full; 2 events/)
  while (waiting.length < 1) await new Promise<void>((resolve) => setImmediate(resolve))
  waiting[0]!.resolve()
  while (waiting.length < 2) await new Promise<void>((resolve) => setImmediate(resolve))
  waiting[1]!.reject(new Error('the disk is full'))
  await failure
})

const real = join(import.meta.dirname, '../../shared/data/meetup-rsvps-2017.ndjson')
test.skipIf(!existsSync(real))(
  'takes the real stream in byte for byte (skipped where ../shared/data is absent)',
  async () => {
    const { eventCheck } = await import('#core/check-event.ts')
    const { default: rsvps } = await import('#datasets/meetup-rsvps/definition.ts')
    const dataset = { ...visits, ...eventCheck(rsvps) }
    const result = await ingestFile(new Intake({ dataset, log: scratch.log }), real)
    expect(result).toMatchObject({ accepted: 800, rejected: 0, linesSettled: 800 })
    const { readFileSync } = await import('node:fs')
    const lines = readFileSync(real, 'utf8').split('\n').filter(Boolean)
    expect([...(await scratch.records()).values()].map(String).sort()).toEqual(lines.sort())
  },
)
