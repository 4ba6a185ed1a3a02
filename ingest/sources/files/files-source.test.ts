import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { until } from '#tests/until.ts'
import { ReplayPace } from '../../replay-pace.ts'
import type { SourceBatch, SourceCursor } from '../event-source.ts'
import type { FilesSourceOptions } from './files-options.ts'
import { FilesRun } from './files-run.ts'
import { FilesSource } from './files-source.ts'

const LIMITS = { recordBytesMax: 1_000, batchRecordsMax: 3 }
let folder: string
const readings: Reading[] = []
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'watershed-files-'))
})
afterEach(async () => {
  for (const reading of readings.splice(0)) await reading.stop()
  rmSync(folder, { recursive: true })
})

const at = (name: string): string => join(folder, name)

/** Reads as the runner does, and keeps the records with the cursor behind them. */
class Reading {
  readonly records: string[] = []
  readonly faults: string[] = []
  cursor: SourceCursor | null
  rounds = 0
  readonly #stopping = new AbortController()
  readonly #done: Promise<void>

  constructor(
    options: Partial<FilesSourceOptions>,
    from: SourceCursor | null = null,
    crashAfter = Number.POSITIVE_INFINITY,
  ) {
    this.cursor = from
    const source = new FilesSource({
      ...{ paths: [folder], follow: true, ...options },
      onCaughtUp: () => void this.rounds++,
      onFault: (_path, { message }) => void this.faults.push(message),
    })
    this.#done = this.#take(source, from, crashAfter)
    readings.push(this)
  }

  async #take(source: FilesSource, from: SourceCursor | null, crashAfter: number): Promise<void> {
    const watch = { connected: () => {}, waiting: () => {} }
    let batches = 0
    for await (const { records, cursor } of source.read(from, {
      signal: this.#stopping.signal,
      limits: LIMITS,
      watch,
    })) {
      if (batches++ === crashAfter) return
      this.records.push(...records.map(String))
      // As it is stored.
      if (cursor !== undefined) this.cursor = JSON.parse(JSON.stringify(cursor))
    }
  }

  async stop(): Promise<this> {
    this.#stopping.abort()
    await this.#done
    return this
  }

  async ended(): Promise<this> {
    await until('it has caught up', () => this.rounds > 0)
    return this.stop()
  }
}

const has = (reading: Reading, count: number): Promise<unknown> =>
  until(`${count} records were read`, () => reading.records.length >= count)

test('reads files of several formats in the order of their names, and once', async () => {
  writeFileSync(at('a.ndjson'), '{"a":1}\n{"a":2}')
  writeFileSync(at('b.csv'), 'a\n3\n4\n')
  writeFileSync(at('c.ndjson.gz'), gzipSync('{"a":5}\n{"a":6}\n'))
  writeFileSync(at('d.json'), '[{"a":7},\n{"a":8}]')
  writeFileSync(at('.hidden'), '{"a":9}\n')
  mkdirSync(at('more'))
  const first = await new Reading({ follow: false }).ended()
  const all = ['{"a":1}', '{"a":2}', '{"a":"3"}', '{"a":"4"}', '{"a":5}', '{"a":6}', '{"a":7}', '{"a":8}']
  expect(first.records).toEqual(all)
  writeFileSync(at('e.ndjson'), '{"a":10}\n')
  appendFileSync(at('b.csv'), '11\n')
  const second = await new Reading({ follow: false }, first.cursor).ended()
  expect(second.records).toEqual(['{"a":"11"}', '{"a":10}'])
})

test('wherever it is stopped, it goes on behind the last record that was taken', async () => {
  const texts = Array.from({ length: 20 }, (_, n) => `{"a":${n}}`)
  writeFileSync(at('a.ndjson'), texts.slice(0, 8).join('\n'))
  writeFileSync(at('b.json.gz'), gzipSync(`[${texts.slice(8, 15).join(',')}]`))
  writeFileSync(at('c.csv'), ['a', ...texts.slice(15).map((_, n) => n + 15)].join('\n'))
  const wanted = [...texts.slice(0, 15), ...texts.slice(15).map((_, n) => `{"a":"${n + 15}"}`)]
  for (let crash = 0; crash < 10; crash++) {
    const first = new Reading({ follow: false }, null, crash)
    await until('it ended or caught up', () => first.rounds > 0 || first.records.length >= Math.min(20, crash))
    await first.stop()
    const second = await new Reading({ follow: false }, first.cursor).ended()
    expect([...first.records, ...second.records]).toEqual(wanted)
  }
})

test('follows what is appended: a line that has not ended waits for its end, new files are found', async () => {
  writeFileSync(at('app.ndjson'), '{"a":1}\n{"a":')
  const reading = new Reading({ paths: [at('*.ndjson')] })
  await has(reading, 1)
  appendFileSync(at('app.ndjson'), '2}\n')
  await has(reading, 2)
  writeFileSync(at('b.ndjson'), '{"a":3}\n')
  await has(reading, 3)
  expect(reading.records).toEqual(['{"a":1}', '{"a":2}', '{"a":3}'])
})

test('an empty file that is written and renamed at once is read', async () => {
  writeFileSync(at('app.ndjson'), '')
  const reading = new Reading({ paths: [at('app.ndjson')] })
  await until('it was looked at', () => reading.rounds > 0)
  for (let n = 0; n < 4; n++) {
    appendFileSync(at('app.ndjson'), `{"n":${n}}\n`)
    renameSync(at('app.ndjson'), at(`app.${n}`))
    writeFileSync(at('app.ndjson'), '')
    await has(reading, n + 1)
    const rounds = reading.rounds
    await until('it looked again', () => reading.rounds > rounds + 1)
  }
  expect(reading.records).toEqual(Array.from({ length: 4 }, (_, n) => `{"n":${n}}`))
})

test('a file that was truncated is read from its beginning', async () => {
  writeFileSync(at('app.ndjson'), '{"a":1}\n{"a":2}\n')
  const reading = new Reading({})
  await has(reading, 2)
  truncateSync(at('app.ndjson'))
  appendFileSync(at('app.ndjson'), '{"b":3}\n')
  await has(reading, 3)
  expect(reading.records).toEqual(['{"a":1}', '{"a":2}', '{"b":3}'])
})

/** Turns of the event loop, so that what is done next falls between any two steps of a round that is under way. */
const turns = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
}

test.each(['app.ndjson', '*.ndjson'])(
  'a file of %s that is written anew and renamed at once is read once from its beginning',
  async (paths) => {
    const reading = new Reading({ paths: [at(paths)] })
    const expected: string[] = []
    const line = (): string => {
      expected.push(`{"n":${expected.length},"t":"${Math.random()}"}`)
      return `${expected.at(-1)}\n`
    }
    const isRead = async (): Promise<void> => {
      const untilMs = performance.now() + 60_000
      while (reading.records.length < expected.length && performance.now() < untilMs) await turns(1)
      expect([...reading.records].sort()).toEqual([...expected].sort())
    }
    for (let round = 0; round < 40; round++) {
      writeFileSync(at('app.ndjson'), line() + line())
      await isRead()
      await turns(round)
      writeFileSync(at('app.ndjson'), Array.from({ length: 40 }, line).join(''))
      renameSync(at('app.ndjson'), at(`app.${round}${paths === '*.ndjson' ? '.ndjson' : ''}`))
      writeFileSync(at('app.ndjson'), line())
      await isRead()
    }
    const rounds = reading.rounds
    await until('it looked again', () => reading.rounds > rounds + 1)
    expect(reading.records.toSorted()).toEqual(expected.toSorted())
  },
)

test('a file that is written anew with as many bytes within one step of the clock is read again', async () => {
  const reading = new Reading({ paths: [at('app.ndjson')] })
  for (let n = 10; n < 40; n++) {
    writeFileSync(at('app.ndjson'), `{"n":${n}}\n`)
    while (reading.records.length < n - 9) await turns(1)
  }
  expect(reading.records).toEqual(Array.from({ length: 30 }, (_, n) => `{"n":${n + 10}}`))
})

test('compressed files that are renamed while they are opened are read once', async () => {
  const reading = new Reading({ paths: [at('*.gz')] })
  for (let n = 0; n < 40; n++) {
    writeFileSync(at('app.gz'), gzipSync(`{"n":${n}}\n`))
    await turns(n)
    renameSync(at('app.gz'), at(`app.${n}.gz`))
    if (n % 4 === 3) await has(reading, n)
  }
  await has(reading, 40)
  const rounds = reading.rounds
  await until('it looked again', () => reading.rounds > rounds + 1)
  expect(reading.records.toSorted()).toEqual(Array.from({ length: 40 }, (_, n) => `{"n":${n}}`).toSorted())
})

test('what is appended, rotated and interrupted in any order is read once', async () => {
  const step = fc.constantFrom('line', 'line', 'part', 'rotate', 'restart', 'restart-blind', 'read')
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 10 }), async (steps) => {
      for (const name of readdirSync(folder)) rmSync(at(name))
      const paths = [at('app.ndjson')]
      let [written, rotations, open] = [0, 0, false]
      const records: string[] = []
      let reading = new Reading({ paths })
      const line = (): string => `{"a":${written++},"t":"${Math.random()}"}`
      for (const what of steps) {
        if (what === 'line') appendFileSync(at('app.ndjson'), `${open ? '}' : line()}\n`)
        if (what === 'part' && !open) appendFileSync(at('app.ndjson'), line().slice(0, -1))
        open = what === 'line' ? false : what === 'part' ? true : open
        if (what === 'read') await has(reading, written - (open ? 1 : 0) - records.length)
        // A rotation waits for the line that is being written, as rotating writers do.
        if (what === 'rotate' && !open && written > 0) {
          // What was never seen under its name cannot be known under another one.
          await has(reading, written - records.length)
          appendFileSync(at('app.ndjson'), `${line()}\n`)
          renameSync(at('app.ndjson'), at(`app.${rotations++}`))
          writeFileSync(at('app.ndjson'), `${line()}\n`)
        }
        if (what.startsWith('restart')) {
          await reading.stop()
          records.push(...reading.records)
          if (what === 'restart-blind' && !open) appendFileSync(at('app.ndjson'), `${line()}\n`)
          reading = new Reading({ paths }, reading.cursor)
        }
      }
      if (open) appendFileSync(at('app.ndjson'), '}\n')
      await has(reading, written - records.length)
      await reading.stop()
      const found = [...records, ...reading.records].map((text) => (JSON.parse(text) as { a: number }).a)
      expect(found.toSorted((a, b) => a - b)).toEqual(Array.from({ length: written }, (_, n) => n))
    }),
    { numRuns: 25 },
  )
})

test('a file that was removed is not looked for when another one, which is not listed, has its inode', async () => {
  writeFileSync(at('other.txt'), 'other')
  const { dev, ino } = statSync(at('other.txt'))
  const removed = [`${dev}:${ino}`, 'head', 256, 300, at('removed.ndjson'), 0]
  writeFileSync(at('a.ndjson'), '{"a":1}\n')
  const paths = [at('*.ndjson')]
  const reading = await new Reading({ paths, follow: false }, { files: [removed] }).ended()
  expect(lookedFor(reading)).toEqual([null])
  expect(reading.records).toEqual(['{"a":1}'])
})

test('however many files came and went, one that is still there is read once', async () => {
  writeFileSync(at('a.ndjson'), '{"a":1}\n')
  const first = await new Reading({ follow: false }).ended()
  const { files } = first.cursor as { files: SourceCursor[] }
  const gone = Array.from({ length: 4_000 }, (_, n) => [`0:${n}`, 'head', 256, 300, null, 300])
  writeFileSync(at('b.ndjson'), '{"a":2}\n')
  const second = await new Reading({ follow: false }, { files: [...files, ...gone] }).ended()
  expect(second.records).toEqual(['{"a":2}'])
  expect(lookedFor(second)).toHaveLength(4_000)
  const third = await new Reading({ follow: false }, second.cursor).ended()
  expect(third.records).toEqual([])
})

/** Of each file in a cursor, where it is looked for. */
const lookedFor = ({ cursor }: Reading): (string | null)[] =>
  (cursor as { files: [string, string, number, number, string | null, number][] }).files.map(([, , , , path]) => path)

test('files that were moved away are not looked for any longer than a minute, and are read on where they come back', async () => {
  const names = ['a.ndjson', 'b.ndjson', 'c.ndjson']
  for (const name of names) writeFileSync(at(name), `{"from":"${name}","t":"${Math.random()}"}\n`)
  writeFileSync(at('app.ndjson'), '{"n":0}\n')
  const before = new Reading({ paths: [at('*.ndjson')] })
  await has(before, 4)
  await before.stop()
  mkdirSync(at('archive'))
  for (const name of names) renameSync(at(name), join(at('archive'), name))
  // What another process has open is not open here.
  const reading = new Reading({ paths: [at('*.ndjson')] }, before.cursor)
  const clock = performance.now.bind(performance)
  let aheadMs = 0
  const now = vi.spyOn(performance, 'now').mockImplementation(() => clock() + aheadMs)
  let written = 1
  const append = async (): Promise<void> => {
    const rounds = reading.rounds
    appendFileSync(at('app.ndjson'), `{"n":${written++}}\n`)
    await until(
      'it was read, and another round ended',
      () => reading.rounds > rounds + 1 && reading.records.length >= written - 1,
    )
  }
  await append()
  expect(lookedFor(reading).filter((path) => path !== null)).toHaveLength(4)
  aheadMs = 61_000
  await append()
  await append()
  expect(lookedFor(reading).filter((path) => path !== null)).toEqual([at('app.ndjson')])
  expect(lookedFor(reading)).toHaveLength(4)
  now.mockRestore()
  appendFileSync(join(at('archive'), 'b.ndjson'), '{"more":true}\n')
  renameSync(join(at('archive'), 'b.ndjson'), at('back.ndjson'))
  await has(reading, written)
  expect(reading.records.at(-1)).toBe('{"more":true}')
  expect(reading.records).toHaveLength(written)
})

test('a damaged file is read as far as possible and reported, and the others are read', async () => {
  writeFileSync(at('a.ndjson.gz'), gzipSync('{"a":1}\n').subarray(0, 20))
  writeFileSync(at('b.ndjson'), '{"a":2}\n')
  const reading = await new Reading({ follow: false }).ended()
  expect(reading.records).toEqual(['{"a":1}', '{"a":2}'])
  expect(reading.faults).toEqual([expect.stringMatching(/unexpected end of file/)])
})

test('a file that is renamed or removed after it was listed is not reported', async () => {
  writeFileSync(at('a.ndjson'), '{"a":1}\n')
  writeFileSync(at('b.ndjson'), '{"a":2}\n')
  writeFileSync(at('c.ndjson'), '{"a":3}\n')
  const faults: string[] = []
  const onFault = (path: string, { message }: Error): void => void faults.push(`${path}: ${message}`)
  const run = new FilesRun({ paths: [folder], follow: true, onFault }, null, {
    ...{ signal: new AbortController().signal, limits: LIMITS },
    watch: { connected: () => {}, waiting: () => {} },
  })
  const records: string[] = []
  const take = (batch: SourceBatch): unknown => records.push(...batch.records.map(String))
  const round = run.round()
  take((await round.next()).value!)
  renameSync(at('b.ndjson'), at('d.ndjson'))
  rmSync(at('c.ndjson'))
  for await (const batch of round) take(batch)
  expect([records, faults]).toEqual([['{"a":1}'], []])
  for await (const batch of run.round()) take(batch)
  expect([records, faults]).toEqual([['{"a":1}', '{"a":2}'], []])
  await run.close()
})

test('bad records become lines that say why, and the others are taken', async () => {
  writeFileSync(at('a.csv'), `a,b\n1,2\n3\n${'x'.repeat(2_000)},1\n5,6\n`)
  const reading = await new Reading({ follow: false }).ended()
  expect(reading.records).toEqual([
    '{"a":"1","b":"2"}',
    expect.stringContaining('it has 1 fields, and the header names 2 columns'),
    expect.stringContaining('longer than recordBytesMax = 1000'),
    '{"a":"5","b":"6"}',
  ])
})

test('records are replayed by their time, at the speed that was chosen', () => {
  let nowMs = 5_000
  const pace = new ReplayPace(
    60,
    (record) => Number(record) || null,
    () => nowMs,
  )
  expect(['1000', '61000', 'none', '500'].map((text) => pace.dueInMs(Buffer.from(text)))).toEqual([0, 1_000, 0, 0])
  nowMs = 5_900
  expect(pace.dueInMs(Buffer.from('61000'))).toBe(100)
})
